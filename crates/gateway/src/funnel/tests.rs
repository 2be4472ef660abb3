use super::*;
use proptest::prelude::*;

fn campaign() -> Name {
    Name::new("drop").expect("a name")
}

fn from(touchpoint: &str) -> Source<'static> {
    Source { channel: "web".into(), touchpoint: touchpoint.to_owned().into() }
}

/// Rows as (touchpoint, is other, counts).
fn rows(funnels: &Funnels) -> Vec<(String, bool, [u64; 6])> {
    let name = |row: &Shown| row.source.as_ref().map_or("", |source| &source.touchpoint).to_owned();
    let shown = funnels.shown(&campaign());
    shown.iter().map(|row| (name(row), row.is_other, row.counts)).collect()
}

#[test]
fn steps_are_in_the_order_of_their_numbers() {
    for (at, (step, name)) in Step::ALL.into_iter().enumerate() {
        assert_eq!(step as usize, at, "{name}");
    }
}

#[test]
fn a_ticket_counts_once_and_keeps_its_source() {
    let (funnels, name) = (Funnels::default(), campaign());
    for _ in 0..2 {
        funnels.joined(&name, &from("push"), TicketNo(7));
        funnels.passed(&name, TicketNo(7));
    }
    // It came with a source first, and is asked about without one.
    funnels.joined(&name, &Source::default(), TicketNo(7));
    assert_eq!(rows(&funnels), [("push".to_owned(), false, [0, 0, 1, 1, 0, 0])]);
    let row = funnels.row(&name, None, Some(TicketNo(7)));
    assert_eq!(row, funnels.row(&name, Some(&from("push")), None));
    assert_eq!(funnels.row(&name, None, Some(TicketNo(8))), Row::default(), "nobody's ticket");
}

#[test]
fn a_ticket_from_before_the_start_passes_without_a_source() {
    let (funnels, name) = (Funnels::default(), campaign());
    funnels.passed(&name, TicketNo(3));
    funnels.joined(&name, &from("push"), TicketNo(3));
    assert_eq!(rows(&funnels), [(String::new(), false, [0, 0, 0, 1, 0, 0])]);
}

#[test]
fn what_has_no_row_is_other_and_pages_alone_take_half() {
    let (funnels, name) = (Funnels::default(), campaign());
    for n in 0..SOURCES_MAX {
        funnels.count(&name, &from(&format!("page-{n}")), Step::Arrived);
    }
    let arrived = rows(&funnels);
    assert_eq!(arrived.len(), SOURCES_ARRIVED_MAX + 1);
    let over = (SOURCES_MAX - SOURCES_ARRIVED_MAX) as u64;
    assert_eq!(arrived.last(), Some(&(String::new(), true, [over, 0, 0, 0, 0, 0])));
    for n in 0..SOURCES_MAX {
        funnels.joined(&name, &from(&format!("join-{n}")), TicketNo(n as u32));
    }
    let joined = rows(&funnels);
    assert_eq!(joined.len(), SOURCES_MAX + 1, "every row is taken, and there is no more");
    assert_eq!(joined.last().map(|row| row.2[2]), Some(SOURCES_ARRIVED_MAX as u64));
}

#[test]
fn numbers_beyond_the_marks_count_for_nobody_in_particular() {
    let marks = Marks::default();
    let beyond = (marks::CHUNKS << 16) as u32;
    assert!(marks.begin(beyond - 1, Row(4)) && !marks.begin(beyond - 1, Row(4)));
    assert_eq!(marks.go_on(beyond - 1), Some(Row(4)));
    assert_eq!(marks.go_on(beyond - 1), None);
    assert!(marks.begin(beyond, Row(4)) && marks.begin(beyond, Row(4)));
    assert_eq!((marks.row(beyond), marks.go_on(beyond)), (Row(0), Some(Row(0))));
}

#[test]
fn texts_that_are_none_are_not_read() {
    let long = "x".repeat(201);
    for query in ["channel=%0A", "channel=%FF", &format!("touchpoint={long}"), "channels=a", ""] {
        assert!(Source::of_query(Some(query)).is_none(), "{query}");
    }
    assert_eq!(Source::default().for_cookie(), "");
}

proptest! {
    #[test]
    fn a_cookie_reads_back(channel in "\\PC{0,40}", touchpoint in "\\PC{0,40}") {
        let source = Source { channel: channel.into(), touchpoint: touchpoint.into() };
        let cookie = source.for_cookie();
        prop_assert!(cookie.bytes().all(|b| b.is_ascii_graphic() && !b";,\"\\".contains(&b)));
        prop_assert_eq!(Source::of_query(Some(&cookie)), source);
    }
}
