//! What a module asks for, as in section 6 of the ABI.

use alloc::string::String;
use alloc::vec::Vec;

/// ICMP as a protocol number, for [`Port`].
pub const ICMP: u8 = 1;
/// TCP as a protocol number.
pub const TCP: u8 = 6;
/// UDP as a protocol number.
pub const UDP: u8 = 17;
/// ICMPv6 as a protocol number.
pub const ICMPV6: u8 = 58;
/// SCTP as a protocol number.
pub const SCTP: u8 = 132;

/// An enumeration of the ABI: its numbers, and 0 for "not given".
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            /// Not given; a host refuses it.
            #[default]
            Unspecified = 0,
            $($(#[$variant_doc])* $variant = $number,)*
        }

        impl $name {
            pub(crate) fn from_number(n: u64) -> Option<Self> {
                match n {
                    0 => Some(Self::Unspecified),
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

numbered! {
    /// Tiers are asked in this order.
    Tier {
        /// The first.
        Admin = 1,
        /// That of NetworkPolicy.
        Network = 2,
        /// The last.
        Baseline = 3,
    }
}

numbered! {
    /// Seen from the subjects.
    Direction {
        /// To the subjects.
        Ingress = 1,
        /// From the subjects.
        Egress = 2,
    }
}

numbered! {
    /// What a rule does.
    Action {
        /// Accepted in this direction.
        Allow = 1,
        /// Dropped.
        Deny = 2,
        /// Refused with an answer.
        Reject = 3,
        /// Left to the next tier.
        Pass = 4,
    }
}

numbered! {
    /// How a [`Requirement`] looks at a label.
    Operator {
        /// The label's value is one of the values.
        In = 1,
        /// The label is absent, or its value is none of the values.
        NotIn = 2,
        /// The label is there.
        Exists = 3,
        /// The label is absent.
        DoesNotExist = 4,
    }
}

/// One condition on labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is looked at.
    pub operator: Operator,
    /// For [`Operator::In`] and [`Operator::NotIn`] only.
    pub values: Vec<String>,
}

/// All requirements must hold; without any it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The requirements.
    pub requirements: Vec<Requirement>,
}

/// A set of Pods, which follows their labels by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// Namespaces by name.
    pub namespaces: Vec<String>,
    /// Namespaces by label: None selects none, an empty selector every one.
    pub namespace_selector: Option<Selector>,
    /// Of the Pods in these namespaces, those with such labels.
    pub pod_selector: Selector,
}

/// The addresses of `cidr` that are in none of `except`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Such as "10.0.0.0/8".
    pub cidr: String,
    /// Parts of it that do not belong to the block.
    pub except: Vec<String>,
}

/// A named collection of peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// Pods by namespace and labels.
    Pods(Pods),
    /// Addresses of nodes by their labels.
    Nodes(Selector),
    /// Addresses; any number, large sets are sent in parts.
    Addresses(Vec<Block>),
}

impl From<Pods> for Set {
    fn from(pods: Pods) -> Self {
        Set::Pods(pods)
    }
}

impl From<Vec<Block>> for Set {
    fn from(blocks: Vec<Block>) -> Self {
        Set::Addresses(blocks)
    }
}

/// A type and code of ICMP or ICMPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Icmp {
    /// The type.
    pub kind: u8,
    /// The code, unless `any_code`.
    pub code: u8,
    /// Every code.
    pub any_code: bool,
}

/// What a rule admits of a protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// IANA number; 0 is every protocol.
    pub protocol: u8,
    /// First destination port; 0 with `last` 0 is every port.
    pub first: u16,
    /// Last destination port, included.
    pub last: u16,
    /// Instead: the port that the destination Pod gives this name.
    pub name: String,
    /// For ICMP and ICMPv6: None is every type.
    pub icmp: Option<Icmp>,
}

/// Where a request comes from, in the words of its author.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// As in [`Object`](crate::Object).
    pub resource: String,
    /// Empty for objects without one.
    pub namespace: String,
    /// Of the object.
    pub name: String,
    /// The place inside of it: "ingress\[2\]".
    pub rule: String,
}

/// What may, or may not, be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Where it is asked.
    pub tier: Tier,
    /// Seen from the subjects.
    pub direction: Direction,
    /// The higher is asked first.
    pub priority: i32,
    /// Names of sets of Pods, at least one.
    pub subjects: Vec<String>,
    /// Names of sets: the other end.
    pub peers: Vec<String>,
    /// Instead of peers: anything.
    pub any_peer: bool,
    /// Empty is every protocol and port.
    pub ports: Vec<Port>,
    /// What it does.
    pub action: Action,
    /// Whether connections that it decides are logged.
    pub log: bool,
    /// Shown to people.
    pub origin: Origin,
}

/// Denies, at the end of a tier, what no rule of that tier decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// Where.
    pub tier: Tier,
    /// Seen from the subjects.
    pub direction: Direction,
    /// Names of sets of Pods, at least one.
    pub subjects: Vec<String>,
    /// Shown to people.
    pub origin: Origin,
}

/// A condition of an object, as in the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Such as "Accepted".
    pub kind: String,
    /// Whether it holds.
    pub status: bool,
    /// One CamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// One flow request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are those of the messages of the same names
pub enum Request {
    PutSet { name: String, set: Option<Set> },
    PatchSet { name: String, add: Vec<Block>, remove: Vec<String> },
    DeleteSet { name: String },
    PutRule { name: String, rule: Rule },
    DeleteRule { name: String },
    PutIsolation { name: String, isolation: Isolation },
    DeleteIsolation { name: String },
    Report { object: Origin, condition: Condition },
}
