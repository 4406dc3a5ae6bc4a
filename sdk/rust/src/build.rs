//! Building requests in one expression.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::request::*;

fn strings<I: IntoIterator>(list: I) -> Vec<String>
where
    I::Item: AsRef<str>,
{
    list.into_iter().map(|s| s.as_ref().to_string()).collect()
}

impl Requirement {
    /// The label's value is one of these.
    pub fn is_in<I: IntoIterator>(key: &str, values: I) -> Self
    where
        I::Item: AsRef<str>,
    {
        Requirement { key: key.to_string(), operator: Operator::In, values: strings(values) }
    }

    /// The label is absent, or its value is none of these.
    pub fn not_in<I: IntoIterator>(key: &str, values: I) -> Self
    where
        I::Item: AsRef<str>,
    {
        Requirement { key: key.to_string(), operator: Operator::NotIn, values: strings(values) }
    }

    /// The label is there.
    pub fn exists(key: &str) -> Self {
        Requirement { key: key.to_string(), operator: Operator::Exists, values: Vec::new() }
    }

    /// The label is absent.
    pub fn does_not_exist(key: &str) -> Self {
        Requirement { key: key.to_string(), operator: Operator::DoesNotExist, values: Vec::new() }
    }
}

impl Selector {
    /// Everything.
    pub fn everything() -> Self {
        Selector::default()
    }

    /// What meets all of these.
    pub fn all<I: IntoIterator<Item = Requirement>>(requirements: I) -> Self {
        Selector { requirements: requirements.into_iter().collect() }
    }
}

impl Pods {
    /// All Pods of namespaces that are named.
    pub fn of_namespaces<I: IntoIterator>(names: I) -> Self
    where
        I::Item: AsRef<str>,
    {
        Pods { namespaces: strings(names), ..Pods::default() }
    }

    /// All Pods of namespaces that are selected.
    pub fn of_namespaces_with(selector: Selector) -> Self {
        Pods { namespace_selector: Some(selector), ..Pods::default() }
    }

    /// All Pods of the cluster network.
    pub fn everywhere() -> Self {
        Pods::of_namespaces_with(Selector::everything())
    }

    /// Of these, the ones with such labels.
    pub fn with(mut self, selector: Selector) -> Self {
        self.pod_selector = selector;
        self
    }
}

impl Block {
    /// All addresses of a CIDR.
    pub fn new(cidr: &str) -> Self {
        Block { cidr: cidr.to_string(), except: Vec::new() }
    }

    /// But not these.
    pub fn except<I: IntoIterator>(mut self, cidrs: I) -> Self
    where
        I::Item: AsRef<str>,
    {
        self.except = strings(cidrs);
        self
    }
}

impl Port {
    /// Every port of a protocol.
    pub fn any(protocol: u8) -> Self {
        Port { protocol, ..Port::default() }
    }

    /// One port.
    pub fn one(protocol: u8, port: u16) -> Self {
        Port::range(protocol, port, port)
    }

    /// Ports from first to last, both included.
    pub fn range(protocol: u8, first: u16, last: u16) -> Self {
        Port { protocol, first, last, ..Port::default() }
    }

    /// The port that the destination Pod gives this name.
    pub fn named(protocol: u8, name: &str) -> Self {
        Port { protocol, name: name.to_string(), ..Port::default() }
    }

    /// A type of ICMP or ICMPv6; a code of None is every code.
    pub fn icmp(protocol: u8, kind: u8, code: Option<u8>) -> Self {
        let icmp = Icmp { kind, code: code.unwrap_or(0), any_code: code.is_none() };
        Port { protocol, icmp: Some(icmp), ..Port::default() }
    }
}

impl Rule {
    /// A rule about nobody yet.
    pub fn new(tier: Tier, direction: Direction, action: Action) -> Self {
        Rule { tier, direction, action, ..Rule::default() }
    }

    /// Among the rules of this module in the tier, the higher is asked first.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets of Pods that it is about.
    pub fn subjects<I: IntoIterator>(mut self, sets: I) -> Self
    where
        I::Item: AsRef<str>,
    {
        self.subjects = strings(sets);
        self
    }

    /// Sets one of which the other end is in.
    pub fn peers<I: IntoIterator>(mut self, sets: I) -> Self
    where
        I::Item: AsRef<str>,
    {
        self.peers = strings(sets);
        self
    }

    /// The other end may be anything.
    pub fn any_peer(mut self) -> Self {
        self.any_peer = true;
        self
    }

    /// One of these must match.
    pub fn ports<I: IntoIterator<Item = Port>>(mut self, ports: I) -> Self {
        self.ports = ports.into_iter().collect();
        self
    }

    /// Whether connections that it decides are logged.
    pub fn log(mut self, log: bool) -> Self {
        self.log = log;
        self
    }

    /// Where it comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

impl Isolation {
    /// Isolates the Pods of these sets.
    pub fn new<I: IntoIterator>(tier: Tier, direction: Direction, subjects: I) -> Self
    where
        I::Item: AsRef<str>,
    {
        Isolation { tier, direction, subjects: strings(subjects), origin: Origin::default() }
    }

    /// Where it comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

impl Condition {
    /// A condition that holds.
    pub fn yes(kind: &str, reason: &str, message: &str) -> Self {
        Condition { kind: kind.to_string(), status: true, reason: reason.to_string(), message: message.to_string() }
    }

    /// A condition that does not hold.
    pub fn no(kind: &str, reason: &str, message: &str) -> Self {
        Condition { status: false, ..Condition::yes(kind, reason, message) }
    }
}
