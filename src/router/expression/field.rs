//! The fields of a request that expressions can name.

use crate::router::spec::Subsystem;

/// What stands on the left side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// `net.protocol`
    Protocol,
    /// `tls.sni`
    Sni,
    /// `http.method`
    Method,
    /// `http.host`, without port
    Host,
    /// `http.path`, in normal form
    Path,
    /// `http.path.segments.len`
    SegmentCount,
    /// `http.path.segments.1` or `http.path.segments.1_3`; `None` when the range makes no sense,
    /// so that the field never has a value
    Segments(Option<Segments>),
    /// `http.headers.x_name`
    Header(Box<str>),
    /// `http.queries.name`
    Query(Box<str>),
    /// `net.src.ip`
    SrcIp,
    /// `net.src.port`
    SrcPort,
    /// `net.dst.ip`
    DstIp,
    /// `net.dst.port`; the port of the `Host` field wins
    DstPort,
    /// Anything else: refused by the check that follows parsing
    Unknown(Box<str>),
}

/// A range of path segments, counted from zero, both ends inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Segments {
    /// The first segment.
    pub first: usize,
    /// The last one, when there is more than one.
    pub last: Option<usize>,
}

/// The type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    Text,
    Int,
    Ip,
}

const SEGMENTS: &str = "http.path.segments.";
const HEADERS: &str = "http.headers.";
const QUERIES: &str = "http.queries.";

impl Field {
    /// The field of that name, [`Field::Unknown`] if routes of `subsystem` do not have it.
    pub(super) fn from_name(name: &str, subsystem: Subsystem) -> Self {
        match name {
            "net.protocol" => Self::Protocol,
            "tls.sni" => Self::Sni,
            "net.src.ip" => Self::SrcIp,
            "net.src.port" => Self::SrcPort,
            "net.dst.ip" => Self::DstIp,
            "net.dst.port" => Self::DstPort,
            _ if subsystem == Subsystem::Stream => Self::Unknown(name.into()),
            "http.method" => Self::Method,
            "http.host" => Self::Host,
            "http.path" => Self::Path,
            "http.path.segments.len" => Self::SegmentCount,
            _ => Self::from_open_name(name).unwrap_or_else(|| Self::Unknown(name.into())),
        }
    }

    fn from_open_name(name: &str) -> Option<Self> {
        let last = |prefix| name.strip_prefix(prefix).filter(|rest| !rest.contains('.'));
        if let Some(range) = last(SEGMENTS) {
            return Some(Self::Segments(Segments::parse(range)));
        }
        last(HEADERS)
            .map(|header| Self::Header(header.into()))
            .or_else(|| last(QUERIES).map(|query| Self::Query(query.into())))
    }

    /// `None` for an unknown field.
    pub(super) fn field_type(&self) -> Option<FieldType> {
        Some(match self {
            Self::Unknown(_) => return None,
            Self::SegmentCount | Self::SrcPort | Self::DstPort => FieldType::Int,
            Self::SrcIp | Self::DstIp => FieldType::Ip,
            _ => FieldType::Text,
        })
    }
}

impl Segments {
    /// Reads `1` or `1_3`: no leading zeros, and the second number the greater one.
    fn parse(range: &str) -> Option<Self> {
        let number = |digits: &str| {
            let canonical = digits == "0" || !digits.starts_with(['0', '+']);
            digits.parse().ok().filter(|_| canonical)
        };
        let (first, last) = match range.split_once('_') {
            None => (number(range)?, None),
            Some((first, last)) => (number(first)?, Some(number(last)?)),
        };
        let ordered = last.is_none_or(|last| first < last);
        ordered.then_some(Self { first, last })
    }
}
