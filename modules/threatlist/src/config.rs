//! The operator's configuration, as in manifest.json.

use sluice::json::{Error, Reader};
use sluice::{Action, Direction};

pub struct Config {
    pub directions: Vec<Direction>,
    pub action: Action,
    pub log: bool,
}

impl Config {
    pub fn read(json: &[u8]) -> Result<Config, Error> {
        let mut c = Config { directions: vec![Direction::Ingress, Direction::Egress], action: Action::Deny, log: true };
        let mut r = Reader::new(if json.is_empty() { b"{}" } else { json });
        r.object(|r, key| {
            match key {
                "directions" => {
                    c.directions.clear();
                    r.array(|r| {
                        c.directions.push(match &*r.string()? {
                            "ingress" => Direction::Ingress,
                            "egress" => Direction::Egress,
                            _ => return Err(r.error("directions are ingress and egress")),
                        });
                        Ok(())
                    })?;
                }
                "action" => {
                    c.action = match &*r.string()? {
                        "deny" => Action::Deny,
                        "reject" => Action::Reject,
                        _ => return Err(r.error("action is deny or reject")),
                    }
                }
                "log" => c.log = r.bool()?,
                _ => return Err(r.error("a field is unknown: known are directions, action and log")),
            }
            Ok(())
        })?;
        Ok(c)
    }
}
