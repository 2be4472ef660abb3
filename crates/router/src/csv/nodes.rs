//! `node,kind,lat,lon` and what may come with them.

use super::{CsvError, Row, Rows, number, read_rows, units};
use crate::calendar::Hours;
use crate::crs::Crs;
use crate::label::Label;
use crate::node::{NodeKind, NodeSpec};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use std::io::Read;

/// Columns of a node file; the first four must be there.
pub const COLUMNS: &[&str] = &[
    "node",
    "kind",
    "lat",
    "lon",
    "crs",
    "group",
    "opens",
    "closes",
    "time_zone",
    "cut_off",
    "capacity_per_hour",
    "handling_cost",
    "handling_minutes",
    "accept_rate",
    "owner",
    "holidays",
];

/// Read nodes. Several groups or holidays are separated by `;`.
///
/// # Errors
/// When the reader fails or a column that must be there is missing.
pub fn read_nodes(input: impl Read) -> Result<Rows<NodeSpec>, CsvError> {
    read_rows(input, COLUMNS, 4, |row| node(row).map(Some))
}

fn node(row: &Row<'_>) -> Result<NodeSpec, String> {
    let text = |column: usize| row.get(column).unwrap_or_default();
    let name = Label::new(text(0)).map_err(|error| format!("node: {error}"))?;
    let kind: NodeKind = text(1).parse().map_err(|e| format!("{e}, not {:?}", text(1)))?;
    let lat = number("lat", text(2), -90.0, 90.0)?;
    let lon = number("lon", text(3), -180.0, 180.0)?;
    let crs = match row.get(4) {
        Some(name) => name.parse::<Crs>().map_err(|error| format!("{error}, not {name:?}"))?,
        None => Crs::Wgs84,
    };
    let position = crs.to_wgs84(lat, lon).map_err(|error| error.to_string())?;
    let mut spec = NodeSpec::new(name, kind, position);
    for group in row.get(5).into_iter().flat_map(|groups| groups.split(';')) {
        spec.groups.push(Label::new(group.trim()).map_err(|error| format!("group: {error}"))?);
    }
    spec.hours = hours(row)?;
    if let Some(capacity) = row.get(10) {
        spec.capacity_per_hour = Some(units("capacity_per_hour", capacity, 0, 1_000_000)?);
    }
    if let Some(cost) = row.get(11) {
        spec.handling_cost = number("handling_cost", cost, 0.0, 1e6)?;
    }
    if let Some(minutes) = row.get(12) {
        spec.handling_minutes = number("handling_minutes", minutes, 0.0, 100_000.0)?;
    }
    if let Some(rate) = row.get(13) {
        spec.accept_rate = number("accept_rate", rate, 0.0, 1.0)?;
    }
    if let Some(owner) = row.get(14) {
        spec.owner = owner.parse().map_err(|error| format!("{error}, not {owner:?}"))?;
    }
    Ok(spec)
}

fn hours(row: &Row<'_>) -> Result<Option<Hours>, String> {
    let (opens, closes) = (row.get(6), row.get(7));
    let cut_off = row.get(9).map(|text| time("cut_off", text)).transpose()?;
    let zone = match row.get(8) {
        Some(name) => TimeZone::get(name).map_err(|_| {
            format!("time_zone {name:?} is not known; write one like Asia/Shanghai")
        })?,
        None => TimeZone::UTC,
    };
    let mut holidays: Vec<Date> = Vec::new();
    for day in row.get(15).into_iter().flat_map(|days| days.split(';')) {
        let day = day.trim();
        holidays.push(
            day.parse()
                .map_err(|_| format!("holidays: {day:?} is not a date; write it as 2026-12-25"))?,
        );
    }
    holidays.sort_unstable();
    let (opens, closes) = match (opens, closes) {
        (Some(opens), Some(closes)) => (time("opens", opens)?, time("closes", closes)?),
        // Midnight to midnight: only a cut-off, a holiday or the zone's days matter.
        (None, None) if cut_off.is_some() || !holidays.is_empty() || row.get(8).is_some() => {
            (Time::midnight(), Time::midnight())
        }
        (None, None) => return Ok(None),
        _ => return Err("opens and closes come together; fill both or none".to_owned()),
    };
    Ok(Some(Hours { holidays, cut_off, ..Hours::daily(opens, closes, zone) }))
}

/// A time of day; `24:00` is midnight at the end of the day.
fn time(name: &str, text: &str) -> Result<Time, String> {
    if text == "24:00" {
        return Ok(Time::midnight());
    }
    let padded = if text.len() == 4 { format!("0{text}") } else { text.to_owned() };
    padded.parse().map_err(|_| format!("{name} {text:?} is not a time of day; write it as 09:30"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Owner;

    fn read(text: &str) -> Rows<NodeSpec> {
        read_nodes(text.as_bytes()).expect("a header")
    }

    #[test]
    fn reads_every_column_in_any_order() {
        let rows = read(
            "lon,lat,kind,node,owner,group,opens,closes,time_zone,cut_off,capacity_per_hour,\
             handling_cost,accept_rate,crs\n\
             116.404,39.915,store,艳粉店,franchise,north;vip,9:00,24:00,Asia/Shanghai,18:00,40,1.5,\
             0.97,GCJ-02\n",
        );
        assert!(rows.bad.is_empty(), "{:?}", rows.bad);
        let node = &rows.rows[0];
        assert_eq!(node.name.as_str(), "艳粉店");
        assert_eq!(node.owner, Owner::Franchise);
        assert_eq!(node.groups.len(), 2);
        assert!((node.position.lon() - 116.397_756).abs() < 1e-4, "GCJ-02 became WGS-84");
        let hours = node.hours.as_ref().expect("hours");
        assert_eq!(hours.week[0], Some((Time::constant(9, 0, 0, 0), Time::midnight())));
        assert_eq!(node.capacity_per_hour, Some(40));
    }

    #[test]
    fn bad_rows_say_where_and_what() {
        let rows = read(
            "node,kind,lat,lon,opens,closes\n\
             a,shop,1,2,,\n\
             b,store,91,2,,\n\
             c,store,1,x,,\n\
             d,store,1,2,09:00,\n\
             ,store,1,2,,\n\
             e,store,1,2\n\
             f,store,1,2,25:00,26:00\n\
             ok,store,1,2,,\n",
        );
        assert_eq!(rows.rows.len(), 1);
        let lines: Vec<u64> = rows.bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
        assert!(rows.bad[0].message.contains("store, warehouse"));
        assert_eq!(rows.bad[1].message, "lat 91 is not between -90 and 90");
        assert_eq!(rows.bad[4].message, "node is empty");
        assert_eq!(rows.bad[5].message, "4 cells, but the header has 6");
    }

    #[test]
    fn a_missing_column_and_an_unknown_one_are_named() {
        let missing = read_nodes("node,kind,lat\n".as_bytes()).expect_err("no lon");
        assert_eq!(
            missing.to_string(),
            "line 1: column lon is missing; the header has: node,kind,lat"
        );
        assert_eq!(read("node,kind,lat,lon,colour\n").unknown_columns, ["colour"]);
        assert!(read_nodes("node,node,kind,lat,lon\n".as_bytes()).is_err());
    }
}
