//! `order,time,lat,lon,sku,quantity`, one row a line, and what may come with them.

use super::{CsvError, Row, Rows, instant, number, read_rows, units};
use crate::crs::Crs;
use crate::delivery::Delivery;
use crate::geo::Position;
use crate::label::Label;
use crate::limits::{LINES_MAX, UNITS_PER_LINE_MAX};
use crate::network::Network;
use crate::node::NodeIx;
use crate::order::{ChannelNo, Line, Order, SkuNo};
use onrush_types::Timestamp;
use std::collections::{HashMap, HashSet};
use std::io::Read;

const COLUMNS: &[&str] = &[
    "order",
    "time",
    "sku",
    "quantity",
    "lat",
    "lon",
    "delivery",
    "deadline",
    "pickup_node",
    "channel",
    "value",
    "window_opens",
    "attribution",
    "priority",
    "crs",
];

/// Turns names in orders into numbers.
pub trait Names {
    /// Return a SKU's number.
    ///
    /// # Errors
    /// What is wrong with the name.
    fn sku(&mut self, name: &Label) -> Result<SkuNo, String>;
    /// Return a channel's number.
    ///
    /// # Errors
    /// What is wrong with the name.
    fn channel(&mut self, name: &Label) -> Result<ChannelNo, String>;
    /// Return a node and its position.
    fn node(&self, name: &str) -> Option<(NodeIx, Position)>;
}

impl Names for Network {
    fn sku(&mut self, name: &Label) -> Result<SkuNo, String> {
        self.intern_sku(name).map_err(|error| error.to_string())
    }

    fn channel(&mut self, name: &Label) -> Result<ChannelNo, String> {
        self.intern_channel(name).map_err(|error| error.to_string())
    }

    fn node(&self, name: &str) -> Option<(NodeIx, Position)> {
        self.find_node(name).map(|ix| (ix, Network::node(self, ix).position))
    }
}

/// Read orders, in the order of their first rows. Rows of one order need not be together; what they
/// say besides SKU and quantity must agree. A SKU named twice adds up. An order with a bad row is left
/// out whole: a part of it is not what was ordered.
///
/// # Errors
/// When the reader fails or a column that must be there is missing.
pub fn read_orders(input: impl Read, names: &mut impl Names) -> Result<Rows<Order>, CsvError> {
    let mut orders: Vec<Order> = Vec::new();
    let mut by_id: HashMap<Label, usize> = HashMap::new();
    let mut spoiled: HashSet<Label> = HashSet::new();
    let read = read_rows::<Order>(input, COLUMNS, 4, |row| {
        let added = parse(row, names).and_then(|(head, line)| match by_id.get(&head.id) {
            Some(&at) => add_line(&mut orders[at], &head, line),
            None => {
                by_id.insert(head.id.clone(), orders.len());
                orders.push(Order { lines: vec![line], ..head });
                Ok(())
            }
        });
        if added.is_err()
            && let Ok(id) = Label::new(row.get(0).unwrap_or_default())
        {
            spoiled.insert(id);
        }
        added.map(|()| None)
    })?;
    orders.retain(|order| !spoiled.contains(&order.id));
    Ok(Rows { rows: orders, ..read })
}

fn parse(row: &Row<'_>, names: &mut impl Names) -> Result<(Order, Line), String> {
    let text = |column: usize| row.get(column).unwrap_or_default();
    let label = |name: &str, text: &str| Label::new(text).map_err(|e| format!("{name}: {e}"));
    let id = label("order", text(0))?;
    let placed = instant("time", text(1))?;
    let sku = names.sku(&label("sku", text(2))?)?;
    let asked = units("quantity", text(3), 1, UNITS_PER_LINE_MAX)?;
    let pickup = match row.get(8) {
        Some(name) => Some(
            names
                .node(name)
                .ok_or_else(|| format!("pickup_node {name:?} is not in the node list"))?,
        ),
        None => None,
    };
    let destination = destination(row, pickup.map(|(_, position)| position))?;
    let mut order = Order::new(id, placed, destination, Vec::new());
    order.pickup = pickup.map(|(node, _)| node);
    if let Some(name) = row.get(6) {
        order.delivery = name.parse().map_err(|error| format!("{error}, not {name:?}"))?;
    } else if order.pickup.is_some() {
        order.delivery = Delivery::Pickup;
    }
    if order.delivery.is_collected() && order.pickup.is_none() {
        return Err(format!("delivery {} needs a pickup_node", order.delivery.as_str()));
    }
    order.deadline = row.get(7).map(|text| instant("deadline", text)).transpose()?;
    order.window_opens = row.get(11).map(|text| instant("window_opens", text)).transpose()?;
    if order.delivery == Delivery::Scheduled && order.deadline.is_none() {
        return Err("delivery scheduled needs a deadline: the end of the window".to_owned());
    }
    check_times(placed, &order)?;
    if let Some(name) = row.get(9) {
        order.channel = Some(names.channel(&label("channel", name)?)?);
    }
    if let Some(value) = row.get(10) {
        order.value = number("value", value, 0.0, 1e12)?;
    }
    order.attribution = row.get(12).map(|text| label("attribution", text)).transpose()?;
    if let Some(priority) = row.get(13) {
        order.priority = units("priority", priority, 0, 255)? as u8;
    }
    Ok((order, Line { sku, units: asked }))
}

fn destination(row: &Row<'_>, pickup: Option<Position>) -> Result<Position, String> {
    let crs = match row.get(14) {
        Some(name) => name.parse::<Crs>().map_err(|error| format!("{error}, not {name:?}"))?,
        None => Crs::Wgs84,
    };
    match (row.get(4), row.get(5), pickup) {
        (Some(lat), Some(lon), _) => {
            let lat = number("lat", lat, -90.0, 90.0)?;
            let lon = number("lon", lon, -180.0, 180.0)?;
            crs.to_wgs84(lat, lon).map_err(|error| error.to_string())
        }
        (None, None, Some(position)) => Ok(position),
        (None, None, None) => Err("lat and lon are empty, and there is no pickup_node".to_owned()),
        _ => Err("lat and lon come together; fill both".to_owned()),
    }
}

fn check_times(placed: Timestamp, order: &Order) -> Result<(), String> {
    if order.deadline.is_some_and(|deadline| deadline < placed) {
        return Err("deadline is before the order's time".to_owned());
    }
    if let (Some(opens), Some(closes)) = (order.window_opens, order.deadline)
        && opens > closes
    {
        return Err("window_opens is after the deadline".to_owned());
    }
    Ok(())
}

fn add_line(order: &mut Order, head: &Order, line: Line) -> Result<(), String> {
    let same = order.placed == head.placed
        && order.destination == head.destination
        && order.delivery == head.delivery
        && order.deadline == head.deadline
        && order.window_opens == head.window_opens
        && order.pickup == head.pickup
        && order.channel == head.channel;
    if !same {
        return Err(format!("order {} says something else in an earlier row", order.id));
    }
    // Exports repeat the value on every row or leave it empty after the first.
    order.value = order.value.max(head.value);
    if let Some(have) = order.lines.iter_mut().find(|have| have.sku == line.sku) {
        let sum = have.units + line.units;
        if sum > UNITS_PER_LINE_MAX {
            return Err(format!("more than {UNITS_PER_LINE_MAX} units of one SKU"));
        }
        have.units = sum;
        return Ok(());
    }
    if order.lines.len() == LINES_MAX {
        return Err(format!("order {} has more than {LINES_MAX} lines", order.id));
    }
    order.lines.push(line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{NodeKind, NodeSpec};

    fn read(text: &str) -> Rows<Order> {
        let position = Position::new(41.0, 123.0).expect("on the globe");
        let name = Label::new("store-1").expect("a label");
        let node = NodeSpec::new(name, NodeKind::Store, position);
        let mut network = Network::build(vec![node], Vec::new()).expect("a network");
        read_orders(text.as_bytes(), &mut network).expect("a header")
    }

    #[test]
    fn rows_of_one_order_are_joined_in_order_of_first_appearance() {
        let rows = read(
            "order,time,lat,lon,sku,quantity\n\
             b,2026-11-11T12:00:00Z,1,2,x,1\n\
             a,2026-11-11 12:00:01,1,2,x,1\n\
             b,2026-11-11T12:00:00Z,1,2,y,2\n\
             b,2026-11-11T12:00:00Z,1,2,x,3\n",
        );
        assert!(rows.bad.is_empty(), "{:?}", rows.bad);
        let ids: Vec<&str> = rows.rows.iter().map(|order| order.id.as_str()).collect();
        assert_eq!(ids, ["b", "a"]);
        let units: Vec<u32> = rows.rows[0].lines.iter().map(|line| line.units).collect();
        assert_eq!(units, [4, 2]);
        assert_eq!(rows.rows[1].placed.0 - rows.rows[0].placed.0, 1_000);
    }

    #[test]
    fn each_mistake_has_its_line_and_its_remedy() {
        let rows = read(
            "order,time,lat,lon,sku,quantity,delivery,deadline,pickup_node\n\
             a,noon,1,2,x,1,,,\n\
             a,2026-11-11T12:00:00Z,1,2,x,0,,,\n\
             a,2026-11-11T12:00:00Z,1,2,x,1,express,,\n\
             a,2026-11-11T12:00:00Z,1,2,x,1,pickup,,\n\
             a,2026-11-11T12:00:00Z,1,2,x,1,,,store-9\n\
             a,2026-11-11T12:00:00Z,,,x,1,,,\n\
             a,2026-11-11T12:00:00Z,1,2,x,1,one_hour,2026-11-11T11:00:00Z,\n\
             a,2026-11-11T12:00:00Z,1,2,x,1,scheduled,,\n\
             ok,2026-11-11T12:00:00Z,,,x,1,,,store-1\n\
             ok,2026-11-11T12:00:01Z,,,y,1,,,store-1\n\
             fine,2026-11-11T12:00:00Z,,,x,1,,,store-1\n",
        );
        let lines: Vec<u64> = rows.bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9, 11]);
        let kept: Vec<&str> = rows.rows.iter().map(|order| order.id.as_str()).collect();
        assert_eq!(kept, ["fine"], "an order with a bad row is left out whole");
        assert_eq!(rows.rows[0].delivery, Delivery::Pickup, "a pick-up node says so");
    }

    #[test]
    fn a_quote_that_stays_open_swallows_nothing_in_silence() {
        let node = NodeSpec::new(
            Label::new("n").expect("a label"),
            NodeKind::Store,
            Position::new(41.0, 123.0).expect("on the globe"),
        );
        let mut network = Network::build(vec![node], Vec::new()).expect("a network");
        let text = "order,time,lat,lon,sku,quantity\na,1,1,1,x,1\nb,1,1,1,\"x,1\nc,1,1,1,x,1\n";
        let error = read_orders(text.as_bytes(), &mut network).expect_err("which rows are there?");
        assert!(error.to_string().starts_with("line 3: a quote opens"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_text_are_one_bad_row() {
        let position = Position::new(41.0, 123.0).expect("on the globe");
        let node = NodeSpec::new(Label::new("n").expect("a label"), NodeKind::Store, position);
        let mut network = Network::build(vec![node], Vec::new()).expect("a network");
        let mut bytes = b"order,time,lat,lon,sku,quantity\n\xff\xfe,1,1,1,x,1\n".to_vec();
        bytes.extend_from_slice(b"ok,1,1,1,x,1\n");
        let rows = read_orders(bytes.as_slice(), &mut network).expect("a header");
        assert_eq!((rows.rows.len(), rows.bad_count), (1, 1));
        assert_eq!(rows.bad[0].line, 2);
    }
}
