//! One question to the name servers: UDP, and TCP for replies that do not fit.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record as WireRecord, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::DnsError;
use super::options::DnsOptions;
use super::record::{Data, Kind, Record};

/// Replies to other questions are skipped, so many of them.
const MAX_STRAY_REPLIES: usize = 128;
/// Larger than any reply without EDNS.
const REPLY_SIZE: usize = 4096;

/// What a name server replied.
#[derive(Debug)]
pub(super) struct Reply {
    /// All records of the answer and additional sections that matter here.
    pub(super) records: Vec<Record>,
    /// The response code, unless it says that all is well.
    pub(super) error: Option<DnsError>,
}

/// Asks the name servers in turn, beginning at number `first`, until one replies.
///
/// *Errors*: what happened to the last attempt.
pub(super) async fn ask(
    options: &DnsOptions,
    first: usize,
    name: &str,
    kind: Kind,
) -> Result<Reply, DnsError> {
    if options.name_servers.is_empty() {
        let text = "failed to create a resolver: no nameservers specified";
        return Err(DnsError::Exchange(text.to_owned()));
    }
    let question = question(name, kind)?;
    let mut error = DnsError::Exchange("unknown".to_owned());
    let servers = options.name_servers.iter().cycle().skip(first % options.name_servers.len());
    for server in servers.take(options.attempts) {
        match ask_one(*server, options.timeout, &question).await {
            Ok(reply) => return Ok(read(reply)),
            Err(text) => error = DnsError::Exchange(text),
        }
    }
    Err(error)
}

async fn ask_one(server: SocketAddr, wait: Duration, question: &Message) -> Result<Message, String> {
    let packet = question.to_vec().map_err(|error| error.to_string())?;
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        // As nginx says it.
        let error = error.to_string();
        let words = error.split(" (os error").next().unwrap_or_default().to_ascii_lowercase();
        format!("failed to {what} UDP server {server}: {words}")
    };
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(local).await.map_err(|error| failed("set peer name of", &error))?;
    socket.connect(server).await.map_err(|error| failed("set peer name of", &error))?;
    socket.send(&packet).await.map_err(|error| failed("send request to", &error))?;
    let receive = receive(&socket, question);
    let reply = timeout(wait, receive)
        .await
        .map_err(|_| failed("receive reply from", &"timeout"))?
        .map_err(|error| failed("receive reply from", &error))?;
    if reply.metadata.truncation {
        return timeout(wait, ask_by_tcp(server, &packet))
            .await
            .map_err(|_| format!("failed to connect to TCP server {server}: timeout"))?
            .map_err(|error| format!("failed to query TCP server {server}: {error}"));
    }
    Ok(reply)
}

/// The reply to `question`; anything else that comes is skipped.
async fn receive(socket: &UdpSocket, question: &Message) -> std::io::Result<Message> {
    let mut buffer = [0; REPLY_SIZE];
    for _ in 0..MAX_STRAY_REPLIES {
        let length = socket.recv(&mut buffer).await?;
        let reply = Message::from_vec(buffer.get(..length).unwrap_or_default());
        if let Ok(reply) = reply
            && answers(&reply, question)
        {
            return Ok(reply);
        }
    }
    Err(std::io::Error::other("no matching reply"))
}

async fn ask_by_tcp(server: SocketAddr, packet: &[u8]) -> std::io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(packet.len()).map_err(std::io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(packet).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; length.into()];
    stream.read_exact(&mut reply).await?;
    Message::from_vec(&reply).map_err(std::io::Error::other)
}

fn question(name: &str, kind: Kind) -> Result<Message, DnsError> {
    let absolute = format!("{}.", name.trim_end_matches('.'));
    let owner = Name::from_ascii(absolute).map_err(|error| DnsError::Exchange(error.to_string()))?;
    let kind = match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Cname => RecordType::CNAME,
        Kind::Srv => RecordType::SRV,
    };
    let mut message = Message::query();
    message.metadata.id = fastrand::u16(..);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(owner, kind));
    Ok(message)
}

/// Whether `reply` carries the id and the question that were sent.
fn answers(reply: &Message, question: &Message) -> bool {
    reply.metadata.message_type == MessageType::Response
        && reply.metadata.id == question.metadata.id
        && reply
            .queries
            .iter()
            .zip(&question.queries)
            .all(|(got, sent)| got.name == sent.name && got.query_type == sent.query_type)
}

fn read(reply: Message) -> Reply {
    let error = match reply.metadata.response_code {
        ResponseCode::NoError => None,
        code => Some(DnsError::from_code(code.into())),
    };
    let sections = reply.answers.into_iter().chain(reply.additionals);
    let records = match error {
        Some(_) => Vec::new(),
        None => sections.filter_map(read_record).collect(),
    };
    Reply { records, error }
}

fn read_record(record: WireRecord) -> Option<Record> {
    let data = match &record.data {
        RData::A(address) => Data::Address(IpAddr::V4(address.0)),
        RData::AAAA(address) => Data::Address(IpAddr::V6(address.0)),
        RData::CNAME(name) => Data::Cname(plain_name(&name.0)),
        RData::SRV(srv) => Data::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: plain_name(&srv.target),
        },
        _ => return None,
    };
    Some(Record { name: plain_name(&record.name), ttl: record.ttl, data })
}

/// Lower case, without the dot at the end.
fn plain_name(name: &Name) -> String {
    let mut text = name.to_ascii();
    text.make_ascii_lowercase();
    if text.ends_with('.') {
        text.pop();
    }
    text
}
