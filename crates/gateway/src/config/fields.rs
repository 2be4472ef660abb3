//! The kinds of values a configuration is made of; each one is checked as it is read, so that an
//! error carries its place in the file.

use crate::wire::{format_duration, format_timestamp, parse_duration, parse_timestamp};
use onrush_types::{Currency, DurationMs, Name, Timestamp};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A duration, written with its units: `"5m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub DurationMs);

impl Span {
    pub(crate) const fn secs(secs: u64) -> Span {
        Span(DurationMs::from_secs(secs))
    }

    /// Return it as the standard library's type.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0.0)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Span, D::Error> {
        let text = Text::read(source, "a duration with units, such as \"5m\"")?;
        parse_duration(&text).map(Span).map_err(de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&format_duration(self.0))
    }
}

/// A point in time, written in RFC 3339 with its offset (in TOML with or without quotes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct When(pub Timestamp);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<When, D::Error> {
        let what = "a time with its offset, such as 2026-12-01T20:00:00+08:00";
        let text = Text::read(source, what)?;
        parse_timestamp(&text).map(When).map_err(de::Error::custom)
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&format_timestamp(self.0))
    }
}

/// Reads a text, or TOML's own date and time, as text.
struct Text(&'static str);

impl Text {
    fn read<'de, D: Deserializer<'de>>(source: D, what: &'static str) -> Result<String, D::Error> {
        source.deserialize_any(Text(what))
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
        let value = de::value::MapAccessDeserializer::new(map);
        let what = self.0;
        let at = toml::value::Datetime::deserialize(value)
            .map_err(|_| de::Error::custom(format!("expected {what}")))?;
        Ok(at.to_string())
    }
}

/// A currency code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyText(pub Currency);

impl From<Currency> for CurrencyText {
    fn from(currency: Currency) -> CurrencyText {
        CurrencyText(currency)
    }
}

impl<'de> Deserialize<'de> for CurrencyText {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<CurrencyText, D::Error> {
        let text = Text::read(source, "three upper-case letters, such as \"CNY\"")?;
        Currency::new(&text).map(CurrencyText).map_err(de::Error::custom)
    }
}

impl Serialize for CurrencyText {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.0.as_str())
    }
}

/// Reading and writing [`Name`]s, for `#[serde(with = …)]`.
pub(crate) mod name {
    use super::*;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Name, D::Error> {
        let text = Text::read(source, "a name")?;
        Name::new(&text).map_err(de::Error::custom)
    }

    pub(crate) fn serialize<S: Serializer>(name: &Name, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(name.as_str())
    }
}

/// As [`name`], for a name that may be left out.
pub(crate) mod name_option {
    use super::*;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        source: D,
    ) -> Result<Option<Name>, D::Error> {
        name::deserialize(source).map(Some)
    }

    pub(crate) fn serialize<S: Serializer>(name: &Option<Name>, out: S) -> Result<S::Ok, S::Error> {
        match name {
            Some(name) => out.serialize_str(name.as_str()),
            None => out.serialize_none(),
        }
    }
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// TCP; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket: `unix:/run/onrush/admin.sock`.
    Unix(PathBuf),
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.is_empty() {
                true => Err("write the socket's path after `unix:`".to_owned()),
                false => Ok(Listen::Unix(path.into())),
            };
        }
        text.parse().map(Listen::Tcp).map_err(|_| {
            format!(
                "{text:?} is not an address; write an IP address and a port, such as \
                 127.0.0.1:8080 or [::1]:8080, or unix:/path/to/socket"
            )
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(addr) => addr.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Listen, D::Error> {
        let text = Text::read(source, "an address, such as \"127.0.0.1:8080\"")?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

/// A range of addresses: `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Tell whether `addr` is in the range. IPv4 addresses mapped into IPv6 count as IPv4.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.base, addr.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(addr)) => {
                let shift = 32 - u32::from(self.bits);
                let differs = u32::from(base) ^ u32::from(addr);
                differs.checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(addr)) => {
                let shift = 128 - u32::from(self.bits);
                let differs = u128::from(base) ^ u128::from(addr);
                differs.checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong =
            || format!("{text:?} is not a range of addresses; write 10.0.0.0/8 or one address");
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most { Err(wrong()) } else { Ok(Network { base, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Network, D::Error> {
        let text = Text::read(source, "a range of addresses, such as \"10.0.0.0/8\"")?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_shares_its_prefix() {
        let holds = |range: &str, addr: &str| {
            let range: Network = range.parse().expect(range);
            range.contains(addr.parse().expect(addr))
        };
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "2001:db8::1") && holds("192.0.2.1", "192.0.2.1"));
        assert!(!holds("192.0.2.1", "192.0.2.2") && holds("127.0.0.1", "::ffff:127.0.0.1"));
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_tcp_or_a_socket() {
        for text in ["127.0.0.1:0", "[::1]:8080", "unix:/run/onrush.sock"] {
            assert_eq!(text.parse::<Listen>().expect(text).to_string(), text);
        }
        for bad in ["", "8080", ":8080", "localhost:8080", "unix:"] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }
}
