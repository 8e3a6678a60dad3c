//! Records, and the answers they make up.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use tokio::time::Instant;

use super::DnsError;

/// Weights that would take more slots are rounded: they come from the network.
const MAX_SLOTS: usize = 1 << 16;

/// The record types that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    A,
    Aaaa,
    Cname,
    Srv,
}

impl Kind {
    /// The type of this number on the wire.
    pub fn numbered(number: i64) -> Option<Kind> {
        [Self::A, Self::Cname, Self::Aaaa, Self::Srv]
            .into_iter()
            .find(|kind| i64::from(kind.number()) == number)
    }

    /// The type's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Cname => "CNAME",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        }
    }

    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Cname => 5,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The owner, in lower case, without a dot at the end.
    pub name: String,
    /// Seconds.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// Another name for the owner.
    Cname(String),
    /// A host and port that provide a service.
    Srv {
        /// Lower ones are used first.
        priority: u16,
        /// Share among those of the same priority.
        weight: u16,
        /// 0 leaves the port to whoever asks.
        port: u16,
        /// A name.
        target: String,
    },
}

impl Record {
    /// The record's type.
    pub fn kind(&self) -> Kind {
        match self.data {
            Data::Address(IpAddr::V4(_)) => Kind::A,
            Data::Address(IpAddr::V6(_)) => Kind::Aaaa,
            Data::Cname(_) => Kind::Cname,
            Data::Srv { .. } => Kind::Srv,
        }
    }
}

/// The records of one name and type, or the error that was answered instead.
#[derive(Debug)]
pub struct Answer {
    /// In the order in which the name server sent them.
    pub records: Vec<Record>,
    /// Set when `records` is empty because of an error.
    pub error: Option<DnsError>,
    /// When the answer becomes stale.
    pub expires: Instant,
    pub(super) touched: Cell<Instant>,
    cursor: Cell<usize>,
    wheel: RefCell<Option<Wheel>>,
}

/// The records of the lowest priority, each as often as its weight says, drawn without putting back.
#[derive(Debug)]
struct Wheel {
    slots: Vec<usize>,
    left: usize,
}

impl Answer {
    pub(super) fn new(records: Vec<Record>, error: Option<DnsError>, expires: Instant, now: Instant) -> Self {
        Self {
            records,
            error,
            expires,
            touched: Cell::new(now),
            cursor: Cell::new(0),
            wheel: RefCell::new(None),
        }
    }

    /// Whether the answer is past its TTL.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.expires < now
    }

    /// The type of all records.
    pub fn kind(&self) -> Option<Kind> {
        self.records.first().map(Record::kind)
    }

    /// The next record in turn; SRV records by priority and weight. Starts with the first.
    pub(super) fn next_record(&self) -> Option<&Record> {
        let number = match self.kind()? {
            Kind::Srv => self.next_weighted()?,
            _ => self.cursor.replace((self.cursor.get() + 1) % self.records.len()),
        };
        self.records.get(number)
    }

    fn next_weighted(&self) -> Option<usize> {
        let mut wheel = self.wheel.borrow_mut();
        let Some(wheel) = wheel.as_mut() else {
            let fresh = wheel.insert(Wheel::new(&self.records));
            return fresh.slots.get(fresh.left).copied();
        };
        if wheel.left == 0 {
            wheel.left = wheel.slots.len();
        }
        if wheel.left == 0 {
            return None;
        }
        let drawn = fastrand::usize(..wheel.left);
        wheel.left -= 1;
        wheel.slots.swap(drawn, wheel.left);
        wheel.slots.get(wheel.left).copied()
    }
}

impl Wheel {
    /// The first slot is taken as drawn.
    fn new(records: &[Record]) -> Self {
        let top = records.iter().filter_map(srv_priority).min();
        let weights: Vec<(usize, usize)> = records
            .iter()
            .enumerate()
            .filter(|(_, record)| srv_priority(record) == top)
            .map(|(number, record)| match record.data {
                Data::Srv { weight, .. } => (number, usize::from(weight.max(1))),
                _ => (number, 1),
            })
            .collect();
        let divisor = weights.iter().fold(0, |divisor, (_, weight)| gcd(divisor, *weight)).max(1);
        let total: usize = weights.iter().map(|(_, weight)| weight / divisor).sum();
        let divisor = divisor * total.div_ceil(MAX_SLOTS).max(1);
        let slots: Vec<usize> = weights
            .into_iter()
            .flat_map(|(number, weight)| std::iter::repeat_n(number, (weight / divisor).max(1)))
            .collect();
        let mut wheel = Self { left: slots.len().saturating_sub(1), slots };
        if !wheel.slots.is_empty() {
            wheel.slots.swap(0, wheel.left);
        }
        wheel
    }
}

fn srv_priority(record: &Record) -> Option<u16> {
    match record.data {
        Data::Srv { priority, .. } => Some(priority),
        _ => None,
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
