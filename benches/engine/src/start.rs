//! The first acceptance after an opening, over HTTP with real fdatasync, while a crowd hammers: from
//! the opening by sale time until the hold was told, at most.

use crate::server::Server;
use crate::{Row, Setup, median};
use onrush::{DurationMs, Timestamp};
use onrush_load::start::{Rush, rush};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const OPENINGS: usize = 20;
const CONNECTIONS: usize = 32;
pub(crate) const HOLD: DurationMs = DurationMs(3_600_000);

pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let (mut told, mut decided, mut asked, mut wrong) = (Vec::new(), Vec::new(), 0, Vec::new());
    for _ in 0..OPENINGS {
        let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let opens_at = Timestamp(since.as_millis() as u64 + 1_500);
        let folder = dir.path().join("data");
        let opens = opens_at.0.to_string();
        let server = Server::start(&["drop", &folder.to_string_lossy(), &opens]);
        let report = rush(&Rush {
            public: server.addr,
            campaign: "demo".to_owned(),
            sku: "unit".to_owned(),
            opens_at,
            hold: HOLD,
            connections: CONNECTIONS,
            before: Duration::from_millis(500),
            holds_each: 5,
        });
        asked += report.asked;
        wrong.extend(report.wrong);
        told.extend(report.told_after_us.map(|us| us as f64 / 1e3));
        decided.extend(report.decided_after_ms.map(|ms| ms as f64));
    }
    assert!(told.len() == OPENINGS, "{} of {OPENINGS} sales opened", told.len());
    let (told_ms, low, high) = median(told);
    let (decided_ms, _, decided_max) = median(decided);
    vec![Row {
        what: "first hold after an opening, 32 connections hammering",
        target: "≤ 5 ms, none early",
        measured: format!(
            "told after {told_ms:.1} ms ({low:.1}–{high:.1}), decided after {decided_ms:.0} ms (at \
             most {decided_max:.0}); {} early or refused late, of {asked} requests at {OPENINGS} \
             openings",
            wrong.len()
        ),
        reached: told_ms <= 5.0 && wrong.is_empty(),
    }]
}
