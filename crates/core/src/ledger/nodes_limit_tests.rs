//! Stores at their limits, to the byte and the unit, what is taken from the sale and what is not, and
//! the words of what a journal may not say about them.

use super::*;
use crate::campaign::WaitTerms;
use onrush_types::limits::{
    NAME_BYTES_MAX, NODE_ATTRIBUTES_BYTES_MAX, NODES_MAX, PLAN_NOTE_BYTES_MAX, ROUTING_BYTES_MAX,
    SUPPLY_MAX, TEXT_BYTES_MAX,
};

impl World {
    fn invalid(&mut self, action: Action) -> String {
        match self.refused(action) {
            Refusal::Invalid(what) => what,
            other => panic!("{other}"),
        }
    }

    /// As `ask`, with slots of the test's own.
    fn ask_with(&mut self, action: Action, slots: &mut dyn Take) -> Answer {
        let mut records = Vec::new();
        let sink = &mut |r: &Record, _| records.push(r.clone());
        let answer = self.ledger.perform(action, Timestamp(self.now), slots, sink);
        self.hear(&records);
        answer.expect("no divergence")
    }

    /// Record what is due, as the engine does in every turn.
    fn due(&mut self, next: fn(&mut Ledger, Timestamp) -> Option<Change>) {
        let now = Timestamp(self.now);
        while let Some(change) = next(&mut self.ledger, now) {
            let mut records = Vec::new();
            let sink = &mut |r: &Record, _| records.push(r.clone());
            self.ledger.record(change, now, sink).expect("applies");
            self.hear(&records);
        }
    }
}

fn routing(replaces: u32, bytes: usize) -> Action {
    let text = "x".repeat(bytes).into();
    Action::Nodes(Box::new(NodeAction::Routing { replaces, text, by: by() }))
}

fn noted(seq: ReservationSeq, bytes: usize) -> Action {
    let shipment =
        PlannedShipment { node: NodeNo(0), units: 2, promise_at: Timestamp(START), sure: 1 };
    let note = vec![b'n'; bytes].into();
    let planned = Planned { seq, attempt: 1, shipments: vec![shipment], note };
    Action::Nodes(Box::new(NodeAction::Plan(planned)))
}

#[test]
fn texts_of_stores_are_limited_to_the_byte_and_refused_by_name() {
    let mut w = World::new(true);
    let counted = |bytes: usize| {
        let attributes = "q".repeat(bytes).into();
        stock(0, StockHow::Count { on_hand: 5, safety: 0, attributes })
    };
    let named = |bytes: usize| put(&"x".repeat(bytes), "{}");
    let kept = |bytes: usize| put("a", &"x".repeat(bytes));
    for (action, most, words) in [
        (&named as &dyn Fn(usize) -> Action, NAME_BYTES_MAX, "node: a name has 1 to 64 bytes"),
        (&kept, NODE_ATTRIBUTES_BYTES_MAX, "node: what is kept with it has 1024 bytes"),
        (&counted, TEXT_BYTES_MAX, "channel_quota: at most 200 bytes"),
        (&|bytes| routing(0, bytes), ROUTING_BYTES_MAX, "policy: at most 16384 bytes"),
    ] {
        for bytes in [most + 1, most + 2] {
            let what = w.invalid(action(bytes));
            assert!(what.starts_with(words), "{bytes} bytes: {what}");
        }
        w.done(action(most));
    }
    let seq = w.sale(2);
    for bytes in [PLAN_NOTE_BYTES_MAX + 1, PLAN_NOTE_BYTES_MAX + 2] {
        assert_eq!(w.invalid(noted(seq, bytes)), "plan 1 must cover the 2 open units");
    }
    w.done(noted(seq, PLAN_NOTE_BYTES_MAX));
    w.check();
}

#[test]
fn a_store_and_a_supply_from_stores_hold_so_many_units_and_no_more() {
    let most = i64::from(SUPPLY_MAX);
    let mut w = World::new(false);
    for node in [0, 1] {
        let what = w.invalid(stock(node, StockHow::Add(most + 1)));
        assert_eq!(what, format!("at most {SUPPLY_MAX} more units fit this SKU"));
        w.done(stock(node, StockHow::Add(most - 5)));
        assert_eq!(
            w.invalid(stock(node, StockHow::Add(6))),
            "at most 5 more units fit this SKU",
            "each store by itself"
        );
        w.done(stock(node, StockHow::Add(5)));
    }
    w.check();
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(most - 5)));
    for units in [6, 7, most] {
        let what = w.invalid(stock(1, StockHow::Add(units)));
        assert_eq!(what, "at most 5 more units fit this SKU", "all stores together");
    }
    w.done(stock(1, StockHow::Add(5)));
    assert_eq!(w.ledger.skus()[0].supplied, SUPPLY_MAX);
    w.check();
}

#[test]
fn free_units_are_taken_out_to_the_last() {
    for from_stores in [true, false] {
        let mut w = World::new(from_stores);
        w.done(stock(0, StockHow::Add(5)));
        w.done(stock(0, StockHow::Add(-2)));
        assert_eq!(w.units(0), [3, 0, 0, 2]);
        assert_eq!(w.invalid(stock(0, StockHow::Add(-4))), "only 3 units are free there");
        w.done(stock(0, StockHow::Add(-3)));
        assert_eq!(w.units(0), [0, 0, 0, 5]);
        w.check();
    }
}

#[test]
fn stock_of_what_is_not_known_is_not_found() {
    let mut w = World::new(true);
    for (node, sku) in [(3, 0), (0, 1), (3, 1)] {
        let (node, sku, how) = (NodeNo(node), SkuIx(sku), StockHow::Add(1));
        let unknown = NodeAction::Stock { node, sku, how, by: by() };
        assert_eq!(w.refused(Action::Nodes(Box::new(unknown))), Refusal::NotFound);
    }
}

/// Nobody may be asked for units where none move.
struct Untouched;

impl Take for Untouched {
    fn take(&mut self, _: SkuIx, units: u32) -> bool {
        panic!("{units} units were asked for")
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, _: u8) -> [u8; 32] {
        [7; 32]
    }
}

#[test]
fn what_a_store_keeps_for_itself_may_change_while_no_unit_moves() {
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(5)));
    let answer = w.ask_with(stock(0, count(6, 1)), &mut Untouched);
    assert_eq!(answer, Answer::Done(Subject::Node(NodeNo(0))));
    assert_eq!(w.ledger.node_stock(NodeNo(0), SkuIx(0)).map(|stock| stock.safety), Some(1));
    w.done(stock(0, count(7, 2)));
    assert!(w.moves.is_empty(), "no slot hears of it");
    assert_eq!((w.ledger.skus()[0].supplied, w.ledger.skus()[0].withdrawn), (5, 0));
    w.check();
}

/// A caller has units at the first question and gives them back before the next.
struct LateSlots(Vec<u32>);

impl Take for LateSlots {
    fn take(&mut self, _: SkuIx, units: u32) -> bool {
        self.0.push(units);
        self.0.len() > 1
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, _: u8) -> [u8; 32] {
        [7; 32]
    }
}

#[test]
fn no_more_is_withdrawn_than_was_lost_though_more_became_free_meanwhile() {
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(5)));
    w.done(stock(1, StockHow::Add(10)));
    let seq = w.sale(5);
    w.done(plan(seq, 1, &[(0, 5)]));
    let mut slots = LateSlots(Vec::new());
    let answer = w.ask_with(reject(seq, 0, Reason::NotInStock), &mut slots);
    assert_eq!(answer, Answer::Done(Subject::Reservation(seq)));
    assert_eq!(slots.0, [5, 2, 2, 1]);
    assert_eq!((w.ledger.skus()[0].free, w.ledger.skus()[0].withdrawn), (5, 5));
    w.check();
}

#[test]
fn why_a_plan_won_is_kept_while_any_of_it_can_change() {
    let note = |w: &World, seq| w.ledger.order(seq).expect("planned").note.clone();
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(8)));
    w.done(stock(1, StockHow::Add(8)));
    let seq = w.sale(4);
    w.done(plan(seq, 1, &[(0, 3), (1, 1)]));
    w.done(dispatch(seq, 0));
    assert_eq!(*note(&w, seq), *b"why", "the other store has it to do");
    w.done(dispatch(seq, 1));
    assert_eq!(*note(&w, seq), *b"", "all of it left");
    let seq = w.sale(4);
    w.done(plan(seq, 1, &[(0, 3), (1, 1)]));
    w.done(reject(seq, 1, Reason::TooBusy));
    w.done(dispatch(seq, 0));
    assert_eq!(*note(&w, seq), *b"why", "one unit has no store yet");
    w.check();
}

#[test]
fn who_has_a_sku_and_what_is_routed_can_be_asked() {
    let mut w = World::new(false);
    assert!(!w.ledger.is_routed(SkuIx(0)) && !w.ledger.is_routed(SkuIx(1)));
    assert!(World::new(true).ledger.is_routed(SkuIx(0)), "its supply is the stores'");
    for node in [2, 0, 2] {
        w.done(stock(node, StockHow::Add(4)));
    }
    for ledger in [&w.ledger, &w.replica, &w.loaded()] {
        let holders = ledger.holders_of(SkuIx(0)).map(|(node, stock)| (node.0, stock.free));
        assert_eq!(holders.collect::<Vec<_>>(), [(0, 4), (2, 8)]);
        assert!(ledger.is_routed(SkuIx(0)) && !ledger.is_routed(SkuIx(1)));
        assert_eq!((ledger.order_count(), ledger.routing()), (0, None));
    }
    for n in 1..=3 {
        let seq = w.sale(1);
        w.done(plan(seq, 1, &[(0, 1)]));
        assert_eq!(w.ledger.order_count(), n);
    }
    w.done(routing(0, 2));
    let policy = Routing { version: 1, text: "xx".into(), by: by() };
    assert_eq!(w.ledger.routing(), Some(&policy));
}

#[test]
fn reasons_and_states_have_their_words() {
    let reasons = ["not_in_stock", "damaged", "too_busy"];
    assert_eq!(Reason::ALL.map(Reason::as_str), reasons);
    let states = (0..=7).filter_map(ShipmentState::from_u8);
    let words: Vec<_> = states.map(ShipmentState::as_str).collect();
    let expected = [
        "assigned",
        "handed_over",
        "rejected_not_in_stock",
        "rejected_damaged",
        "rejected_too_busy",
        "taken_back",
    ];
    assert_eq!(words, expected);
}

#[test]
fn what_a_journal_may_not_say_about_stores_is_refused_in_words() {
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(9)));
    w.done(stock(1, StockHow::Add(9)));
    let (open, planned) = (w.sale(2), w.sale(2));
    w.done(plan(planned, 1, &[(0, 2)]));
    let of = |seq, attempt, shipments: &[(u32, u32)]| match plan(seq, attempt, shipments) {
        Action::Nodes(ask) => match *ask {
            NodeAction::Plan(planned) => NodeChange::Planned(planned),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let moved = |node| {
        let (node, sku, attributes) = (NodeNo(node), SkuIx(0), "".into());
        let (units, supplies, safety) = (1, true, 0);
        NodeChange::Stock(StockMoved { node, sku, units, supplies, safety, attributes, by: by() })
    };
    for (change, words) in [
        (of(open, 1, &[(0, 1)]), "covers exactly what is open"),
        (of(open, 1, &[(0, 3)]), "covers exactly what is open"),
        (of(planned, 2, &[(0, 0)]), "covers exactly what is open"),
        (of(open, 1, &[(0, 2), (1, 0)]), "carries something"),
        (of(open, 1, &[(2, 2)]), "no such stock"),
        (moved(3), "a store that does not exist"),
    ] {
        let change = Change::Nodes(Box::new(change));
        let record = Record { stamp: Timestamp(w.now), change };
        let divergence = w.loaded().apply(&record).expect_err(words);
        assert!(divergence.what.contains(words), "{words}: {divergence}");
    }
}

#[test]
fn there_are_so_many_stores_and_no_more() {
    let mut w = World::new(true);
    let last = w.ledger.nodes.list[2].clone();
    w.ledger.nodes.list.resize(NODES_MAX - 1, last);
    let named = |node: usize| NodeChange::Node {
        node: NodeNo(node as u32),
        name: format!("n{node}").into(),
        attributes: "".into(),
        by: by(),
    };
    let apply = |w: &mut World, change| {
        let change = Change::Nodes(Box::new(change));
        w.ledger.apply(&Record { stamp: Timestamp(START), change })
    };
    apply(&mut w, named(NODES_MAX - 1)).expect("the last one");
    let divergence = apply(&mut w, named(NODES_MAX)).expect_err("one more");
    assert!(divergence.what.contains("more stores than"), "{divergence}");
    assert!(w.invalid(put("one more", "{}")).starts_with("node: at most 262144 stores"));
}

/// What a store refuses is withdrawn from the sale, and the line before that sale counts it.
#[test]
fn a_line_before_the_stores_counts_what_they_refuse() {
    let mut w = World::new(true);
    let terms = w.ledger.campaigns()[0].terms.clone();
    let mut spec = CampaignSpec::new(name("queue"), terms, vec![SkuSpec::new(name("milk"), 0, 0)]);
    spec.line = Some(LineTerms::equal());
    spec.waitlist = Some(WaitTerms { offer: DurationMs(HOLD_MS) });
    w.done(Action::Put(Box::new(spec)));
    w.due(|ledger, now| ledger.due_switch(now));
    // The slots of this world are those of the first SKU.
    w.done(stock(0, StockHow::Add(50)));
    let sku = SkuIx(1);
    let (buyer, quantity) = (BuyerDigest([9; 16]), Quantity::new(2).expect("two"));
    w.done(Action::Wait(WaitAction::Join { sku, buyer, quantity }));
    let how = StockHow::Add(5);
    w.done(Action::Nodes(Box::new(NodeAction::Stock { node: NodeNo(1), sku, how, by: by() })));
    w.due(|ledger, now| ledger.due_offer(now, &mut Slots(50)));
    let seq = ReservationSeq(w.ledger.reservation_count() - 1);
    w.done(Action::Confirm { seq, lines: Vec::new(), key: None });
    w.done(plan(seq, 1, &[(1, 2)]));
    w.check();
    w.done(reject(seq, 1, Reason::NotInStock));
    assert_eq!(w.moves, [(sku, StockMove::Keep(3))]);
    let s = &w.ledger.skus()[1];
    assert_eq!((s.free, s.sold, s.withdrawn), (0, 2, 3));
    w.check();
}
