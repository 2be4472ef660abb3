//! The stock of a line, and what its audit, its image and its readers say of it.

use super::*;

/// Four people hold 2, 3, 1 and 4 of twenty units.
fn four_holds() -> Sale {
    let mut sale = Sale::open(spec(terms()), 5);
    sale.record(OPENS, served(4, 0));
    for (number, units) in (0..).zip([2, 3, 1, 4]) {
        sale.reserve(OPENS, number, units);
    }
    sale
}

fn paid(reference: &str, amount: i64) -> PaymentLine {
    let money = Money { amount, currency: Currency::CNY };
    let (provider, method) = (name("shop"), name("card"));
    PaymentLine { provider, method, reference: reference.into(), money }
}

#[test]
fn the_stock_of_a_line_follows_every_way_that_units_go() {
    let mut sale = four_holds();
    let check = |sale: &Sale, free, held, gone, holds, (ended, back)| {
        assert_eq!(sale.line().stock(), StockSum { free, held, gone, holds });
        let learned = sale.line().learned;
        assert_eq!((learned.ended, learned.back), (ended, back));
        sale.ledger.audit().unwrap_or_else(|v| panic!("{v}"));
    };
    let seq = ReservationSeq;
    check(&sale, 10, 10, 0, 4, (0, 0));
    let lines = vec![paid("p1", 200)];
    sale.act(OPENS + 1, Action::Confirm { seq: seq(0), lines, key: None });
    check(&sale, 10, 8, 2, 3, (2, 0));
    sale.act(OPENS + 1, Action::Release { seq: seq(1), key: None });
    check(&sale, 13, 5, 2, 2, (5, 3));
    sale.act(OPENS + 2, Action::Supply { sku: SkuIx(0), units: -5, by: by() });
    check(&sale, 8, 5, 7, 2, (5, 3));
    sale.act(OPENS + 2, Action::Supply { sku: SkuIx(0), units: 2, by: by() });
    check(&sale, 10, 5, 7, 2, (5, 3));
    let lines = vec![paid("p2", 400)];
    sale.act(OPENS + 3, Action::Confirm { seq: seq(3), lines, key: None });
    check(&sale, 10, 1, 11, 1, (9, 3));
    sale.record(OPENS + HOLD, Change::Expired { seq: seq(2) });
    check(&sale, 11, 0, 11, 0, (10, 4));
    sale.act(OPENS + HOLD, Action::Cancel { seq: seq(0), restock: false, by: by() });
    check(&sale, 11, 0, 11, 0, (10, 4));
}

#[test]
fn an_image_keeps_every_figure_of_a_line() {
    let rate = Outflow { per_second: Some(100), ..Outflow::default() };
    let mut sale = Sale::open(spec(LineTerms { outflow: rate, ..terms() }), 8);
    let call = |through, returned| Change::Served {
        campaign: CAMPAIGN,
        through,
        returned,
        per_second: Some(100),
    };
    sale.record(OPENS, call(4, 0));
    sale.reserve(OPENS, 3, 5);
    sale.reserve(OPENS + 1, 2, 3);
    sale.act(OPENS + 1, Action::Release { seq: ReservationSeq(0), key: None });
    let lines = vec![paid("p1", 300)];
    sale.act(OPENS + 1, Action::Confirm { seq: ReservationSeq(1), lines, key: None });
    for number in [0, 1] {
        sale.come_back(OPENS + PASS, number);
    }
    sale.record(OPENS + PASS + 20, call(5, 1));
    let to = Phase::Paused;
    sale.act(OPENS + PASS + 30, Action::Move { campaign: CAMPAIGN, to, by: by() });
    let mut loader = SnapshotLoader::new([5, 6]);
    sale.ledger.snapshot(|kind, bytes| loader.chunk(kind, bytes)).expect("its own image");
    let loaded = loader.finish().expect("a whole image");
    let (ours, theirs) = (sale.line(), loaded.line(CAMPAIGN).expect("it has a line"));
    let learned = Learned { passes: 4, units: 8, ended: 8, back: 5 };
    assert_eq!((ours.learned, theirs.learned), (learned, learned));
    assert_eq!(theirs.steps, ours.steps);
    assert_eq!((theirs.steps[0].used, theirs.steps[0].units), (2, 8));
    assert!(theirs.returning().eq([TicketNo(1)]) && theirs.called_again() == ours.called_again());
    assert_eq!((theirs.opened_at, theirs.paused_at), (ours.opened_at, ours.paused_at));
    assert_eq!((theirs.used, theirs.forgotten, theirs.pace), (2, 0, ours.pace));
    assert_eq!((theirs.stock, theirs.outflow), (ours.stock, rate));
    assert_eq!(theirs.lanes, ours.lanes);
    for number in (0..8).map(TicketNo) {
        assert_eq!(theirs.ticket(number), ours.ticket(number));
    }
    loaded.audit().unwrap_or_else(|v| panic!("{v}"));
}

#[test]
fn readers_of_the_tickets_see_those_of_the_ledger() {
    let sale = four_holds();
    let tickets = sale.line().tickets();
    tickets.publish_all();
    assert_eq!(tickets.count(), 5);
    assert_eq!(tickets.buyer(TicketNo(4)), Some(buyer(4)));
    assert_eq!(tickets.read(TicketNo(3)).map(|row| (row.place, row.used)), Some((Some(3), true)));
}

#[test]
fn an_audit_finds_each_figure_that_is_not_what_the_tickets_say() {
    type Bend = fn(&mut LineState);
    let bends: [(&str, Bend); 8] = [
        ("4 tickets are used, not 5", |line| line.used += 1),
        ("5 tickets are used, not 4", |line| line.tickets.set_used(TicketNo(4))),
        ("4 holds were made with 5 tickets", |line| {
            line.tickets.set_used(TicketNo(4));
            line.used += 1;
        }),
        ("its stock is", |line| line.stock.free += 1),
        ("its stock is", |line| line.stock.holds -= 1),
        ("a lane says", |line| line.lanes[0].arrivals += 1),
        ("ticket 3 has not place 3", |line| line.tickets.set_place(TicketNo(3), 1)),
        ("called up before the draw", |line| line.steps.push_back(step(6, OPENS, false))),
    ];
    four_holds().ledger.audit().unwrap_or_else(|v| panic!("{v}"));
    for (words, bend) in bends {
        let mut sale = four_holds();
        bend(sale.line_mut());
        let found = sale.ledger.audit().expect_err(words);
        assert_eq!(found.promise, "INV-11");
        assert!(found.what.contains(words), "{found} ({words})");
    }
    let mut sale = four_holds();
    sale.line_mut().lanes[0].drawn.as_mut().expect("it was drawn").count = 1;
    assert!(sale.ledger.audit().expect_err("a draw").what.contains("left somebody out"));
    let mut sale = four_holds();
    sale.line_mut().index.clear();
    assert!(sale.ledger.audit().expect_err("an index").what.contains("has another one too"));
}
