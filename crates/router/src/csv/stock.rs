//! `node,sku,on_hand` and what may come with them.

use super::{CsvError, Row, Rows, read_rows, units};
use crate::label::Label;
use crate::limits::ON_HAND_MAX;
use crate::network::StockSpec;
use std::io::Read;

const COLUMNS: &[&str] = &["node", "sku", "on_hand", "safety_stock", "channel_quota"];

/// Read stock. A channel quota is `channel:units`, several are separated by `;`.
///
/// # Errors
/// When the reader fails or a column that must be there is missing.
pub fn read_stock(input: impl Read) -> Result<Rows<StockSpec>, CsvError> {
    read_rows(input, COLUMNS, 3, |row| stock(row).map(Some))
}

fn stock(row: &Row<'_>) -> Result<StockSpec, String> {
    let text = |column: usize| row.get(column).unwrap_or_default();
    let node = Label::new(text(0)).map_err(|error| format!("node: {error}"))?;
    let sku = Label::new(text(1)).map_err(|error| format!("sku: {error}"))?;
    let on_hand = units("on_hand", text(2), 0, ON_HAND_MAX)?;
    let safety_stock = match row.get(3) {
        Some(text) => units("safety_stock", text, 0, ON_HAND_MAX)?,
        None => 0,
    };
    let mut channel_quotas: Vec<(Label, u32)> = Vec::new();
    for quota in row.get(4).into_iter().flat_map(|quotas| quotas.split(';')) {
        let (channel, most) = quota.split_once(':').ok_or_else(|| {
            format!("channel_quota {quota:?} is not channel:units; write it as live:20")
        })?;
        let channel =
            Label::new(channel.trim()).map_err(|error| format!("channel_quota: {error}"))?;
        if channel_quotas.iter().any(|(have, _)| *have == channel) {
            return Err(format!("channel_quota names {channel} twice; keep one"));
        }
        channel_quotas.push((channel, units("channel_quota", most.trim(), 0, ON_HAND_MAX)?));
    }
    Ok(StockSpec { node, sku, on_hand, safety_stock, channel_quotas })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stock_and_quotas() {
        let text = "node,sku,on_hand,safety_stock,channel_quota\na,x,5,,\na,y,7,2,live:3;app:4\n";
        let rows = read_stock(text.as_bytes()).expect("a header");
        assert_eq!(rows.rows[0].safety_stock, 0);
        assert_eq!(rows.rows[1].channel_quotas.len(), 2);
        assert_eq!(rows.rows[1].channel_quotas[1].1, 4);
    }

    #[test]
    fn hostile_numbers_are_refused() {
        let text = "node,sku,on_hand,channel_quota\n\
                    a,x,-1,\na,y,1e3,\na,z,99999999999999999999999,\na,w,4294967296,\n\
                    a,v,3,live\na,u,3,live:1;live:2\na,t,NaN,\n";
        let rows = read_stock(text.as_bytes()).expect("a header");
        assert!(rows.rows.is_empty());
        assert_eq!(rows.bad_count, 7);
    }
}
