//! What a reservation carries besides stock: destination, delivery, pick-up, window, attribution.
//!
//! Checked here, at the edge, and journaled as compact JSON with a fixed order of fields; the engine
//! does not look into it. [`Details::decode`] reads it back for the order.

use super::time::parse_timestamp;
use onrush_router::Label;
pub use onrush_router::delivery::Delivery;
use onrush_types::limits::{DETAILS_BYTES_MAX, TEXT_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Everything that is kept with a reservation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details<'a> {
    /// Where it goes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub destination: Option<Destination>,
    /// How it gets there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivery: Option<Delivery>,
    /// The store it is collected from.
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    pub pickup_node: Option<Cow<'a, str>>,
    /// When it should arrive.
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    pub window: Option<Window<'a>>,
    /// Who brought the buyer.
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    pub attribution: Option<Attribution<'a>>,
}

/// A point on the map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// The coordinate system.
    #[serde(default)]
    pub crs: Crs,
}

/// Coordinate systems in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crs {
    /// GPS.
    #[default]
    Wgs84,
    /// Maps in China.
    Gcj02,
    /// Baidu's maps.
    Bd09,
}

/// A time window, as RFC 3339 times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window<'a> {
    /// Not before.
    #[serde(borrow)]
    pub from: Cow<'a, str>,
    /// Not after.
    #[serde(borrow)]
    pub to: Cow<'a, str>,
}

/// Who brought the buyer. Free texts of at most 200 bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribution<'a> {
    /// The sales channel.
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    pub channel: Option<Cow<'a, str>>,
    /// What the buyer touched.
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    pub touchpoint: Option<Cow<'a, str>>,
    /// The shop assistant.
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    pub guide: Option<Cow<'a, str>>,
    /// The store.
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    pub store: Option<Cow<'a, str>>,
}

impl<'a> Details<'a> {
    /// Check the fields against each other and encode them; `None` when there are none.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn encode(&self) -> Result<Option<Vec<u8>>, String> {
        if *self == Details::default() {
            return Ok(None);
        }
        self.check()?;
        let bytes = super::json(self);
        if bytes.len() > DETAILS_BYTES_MAX {
            let has = bytes.len();
            return Err(format!(
                "destination, window and attribution take {has} bytes together; at most \
                 {DETAILS_BYTES_MAX} are kept"
            ));
        }
        Ok(Some(bytes))
    }

    /// Read back what [`encode`](Details::encode) wrote.
    ///
    /// # Errors
    /// When the bytes are not of this shape.
    pub fn decode(bytes: &'a [u8]) -> Result<Details<'a>, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(Destination { lat, lon, .. }) = self.destination {
            if !(-90.0..=90.0).contains(&lat) {
                return Err(format!("destination.lat: {lat} is not between -90 and 90"));
            }
            if !(-180.0..=180.0).contains(&lon) {
                return Err(format!("destination.lon: {lon} is not between -180 and 180"));
            }
        }
        if let Some(node) = &self.pickup_node {
            Label::new(node).map_err(|error| format!("pickup_node: {error}"))?;
        }
        if let Some(delivery) = self.delivery.filter(|delivery| delivery.is_collected())
            && self.pickup_node.is_none()
        {
            let word = delivery.as_str();
            return Err(format!("pickup_node: name the store for delivery {word:?}"));
        }
        if let Some(window) = &self.window {
            let from = parse_timestamp(&window.from).map_err(|e| format!("window.from: {e}"))?;
            let to = parse_timestamp(&window.to).map_err(|e| format!("window.to: {e}"))?;
            if from >= to {
                return Err("window: `from` must be before `to`".to_owned());
            }
        }
        if self.delivery == Some(Delivery::Scheduled) && self.window.is_none() {
            return Err("window: give one for delivery \"scheduled\"".to_owned());
        }
        self.attribution.as_ref().map_or(Ok(()), Attribution::check)
    }
}

impl Attribution<'_> {
    fn check(&self) -> Result<(), String> {
        for (field, text) in [
            ("channel", &self.channel),
            ("touchpoint", &self.touchpoint),
            ("guide", &self.guide),
            ("store", &self.store),
        ] {
            if text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
                return Err(format!("attribution.{field}: at most {TEXT_BYTES_MAX} bytes"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Option<Vec<u8>>, String> {
        serde_json::from_str::<Details<'_>>(json).map_err(|e| e.to_string())?.encode()
    }

    #[test]
    fn encodes_in_one_order_and_reads_back() {
        let bytes = read(
            r#"{"attribution":{"store":"sh-007","channel":"mini_program"},"delivery":"one_hour",
                "destination":{"lon":121.47,"lat":31.23}}"#,
        )
        .expect("valid")
        .expect("not empty");
        let text = std::str::from_utf8(&bytes).expect("UTF-8");
        assert_eq!(
            text,
            r#"{"destination":{"lat":31.23,"lon":121.47,"crs":"wgs84"},"delivery":"one_hour","attribution":{"channel":"mini_program","store":"sh-007"}}"#
        );
        let details = Details::decode(&bytes).expect("decodes");
        assert_eq!(details.delivery, Some(Delivery::OneHour));
        assert_eq!(details.encode().expect("valid"), Some(bytes.clone()), "canonical");
    }

    #[test]
    fn nothing_is_kept_of_nothing() {
        assert_eq!(read("{}"), Ok(None));
        assert_eq!(read(r#"{"pickup_node":null,"window":null}"#), Ok(None));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let long = format!(r#"{{"attribution":{{"guide":"{}"}}}}"#, "x".repeat(201));
        let wide = format!(
            r#"{{"attribution":{{"guide":"{0}","store":"{0}","channel":"{0}","touchpoint":"{0}"}},
                "delivery":"same_day"}}"#,
            "\\u0001".repeat(200)
        );
        for (json, named) in [
            (r#"{"destination":{"lat":91,"lon":0}}"#, "destination.lat"),
            (r#"{"destination":{"lat":0,"lon":-181}}"#, "destination.lon"),
            (r#"{"destination":{"lat":0,"lon":0,"crs":"utm"}}"#, "utm"),
            (r#"{"destination":{"lat":0,"lon":0,"alt":3}}"#, "alt"),
            (r#"{"delivery":"drone"}"#, "drone"),
            (r#"{"delivery":"pickup"}"#, "pickup_node"),
            (r#"{"delivery":"transfer"}"#, "pickup_node"),
            (r#"{"pickup_node":" a"}"#, "pickup_node"),
            (r#"{"delivery":"scheduled"}"#, "window"),
            (r#"{"window":{"from":"2026-12-01","to":"2026-12-02"}}"#, "window.from"),
            (r#"{"window":{"from":"2026-12-02T00:00:00Z","to":"2026-12-01T00:00:00Z"}}"#, "window"),
            (&long, "attribution.guide"),
            (&wide, "bytes together"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.contains(named), "{json}: {error}");
        }
    }
}
