//! Address ranges, small enough for a million of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address range without bits beyond its prefix, so that equal ranges are
/// equal values. An address alone is a range of one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cidr {
    v6: bool,
    bits: [u8; 16], // of IPv4, the first four
    prefix: u8,
}

impl Cidr {
    /// None if the text is no range.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let mut cidr = match address.parse().ok()? {
            IpAddr::V4(a) => {
                let mut bits = [0; 16];
                bits[..4].copy_from_slice(&a.octets());
                Cidr { v6: false, bits, prefix: 32 }
            }
            IpAddr::V6(a) => Cidr { v6: true, bits: a.octets(), prefix: 128 },
        };
        if let Some(prefix) = prefix {
            let digits = prefix.bytes().all(|c| c.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
            let prefix = prefix.parse().ok().filter(|p| digits && *p <= cidr.prefix)?;
            cidr.prefix = prefix;
            for (i, byte) in cidr.bits.iter_mut().enumerate() {
                let kept = usize::from(prefix).saturating_sub(8 * i).min(8);
                *byte &= !(0xff_u16 >> kept) as u8;
            }
        }
        Some(cidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = self.bits;
        match self.v6 {
            true => write!(f, "{}/{}", Ipv6Addr::from(b), self.prefix),
            false => write!(f, "{}/{}", Ipv4Addr::new(b[0], b[1], b[2], b[3]), self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, want) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.255/25", "10.1.2.128/25"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8:ffff::/33", "2001:db8:8000::/33"),
        ] {
            assert_eq!(Cidr::parse(text).map(|c| c.to_string()).as_deref(), Some(want), "{}", text);
        }
        for text in
            ["", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/08", "::/129", "010.0.0.1", "a"]
        {
            assert_eq!(Cidr::parse(text), None, "{}", text);
        }
    }
}
