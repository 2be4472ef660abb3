//! Stores in the ledger: the story of one order, every refusal, and random histories after which
//! everything is audited, replayed and loaded from its image.

use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms};
use crate::line::terms::LineTerms;
use crate::refusal::Refusal;
use crate::reservation::State;
use onrush_types::limits::PLANS_PER_RESERVATION_MAX;
use onrush_types::*;
use proptest::prelude::*;

const START: u64 = 1_000_000;
const HOLD_MS: u64 = 60_000;

/// A ledger whose every record is heard by a replica, with slots that may be short.
struct World {
    ledger: Ledger,
    replica: Ledger,
    now: u64,
    /// Units that callers have taken and whose records are not decided yet.
    busy: u32,
    moves: Vec<(SkuIx, StockMove)>,
}

struct Slots(u32);

impl Take for Slots {
    fn take(&mut self, _: SkuIx, units: u32) -> bool {
        let fits = units <= self.0;
        self.0 -= if fits { units } else { 0 };
        fits
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, _: u8) -> [u8; 32] {
        [7; 32]
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn by() -> By {
    By::new("ann", "a test")
}

impl World {
    fn new(from_stores: bool) -> World {
        let (ledger, replica) = (Ledger::new([1, 2]), Ledger::new([3, 4]));
        let mut world = World { ledger, replica, now: START, busy: 0, moves: Vec::new() };
        let terms = Terms {
            supply_from_stores: from_stores,
            limit_per_buyer: 1_000,
            hold: DurationMs(HOLD_MS),
            ..Terms::open_now(Currency::CNY)
        };
        let supply = if from_stores { 0 } else { 20 };
        let skus = vec![SkuSpec::new(name("milk"), 0, supply)];
        world.done(Action::Put(Box::new(CampaignSpec::new(name("drop"), terms, skus))));
        let change = world.ledger.due_switch(Timestamp(world.now)).expect("it opens");
        let mut records = Vec::new();
        let mut sink = |record: &Record, _| records.push(record.clone());
        world.ledger.record(change, Timestamp(world.now), &mut sink).expect("applies");
        world.hear(&records);
        for store in ["a", "b", "店"] {
            world.done(put(store, "{}"));
        }
        world
    }

    fn ask(&mut self, action: Action) -> Answer {
        let mut records = Vec::new();
        let mut slots = Slots(self.ledger.skus().first().map_or(0, |s| s.free) - self.busy);
        let mut moves = Vec::new();
        let answer = self.ledger.perform(action, Timestamp(self.now), &mut slots, &mut |r, e| {
            records.push(r.clone());
            moves.extend(e.stock);
        });
        self.moves = moves;
        self.hear(&records);
        answer.expect("no divergence")
    }

    /// The replica hears the bytes only.
    fn hear(&mut self, records: &[Record]) {
        for record in records {
            let mut bytes = Vec::new();
            encode(record, &mut bytes);
            let read = decode(&bytes).expect("decodes");
            assert_eq!(read, *record);
            self.replica.apply(&read).expect("follows");
        }
    }

    fn done(&mut self, action: Action) -> Subject {
        match self.ask(action) {
            Answer::Done(subject) => subject,
            other => panic!("{other:?}"),
        }
    }

    fn refused(&mut self, action: Action) -> Refusal {
        match self.ask(action) {
            Answer::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn sale(&mut self, units: u32) -> ReservationSeq {
        let n = self.ledger.reservation_count();
        let reserve = Reserve {
            sku: SkuIx(0),
            quantity: Quantity::new(units).expect("in range"),
            buyer: BuyerDigest([n as u8; 16]),
            key: KeyDigest(u64::from(n)),
            request: RequestDigest(0),
            review: false,
            halvings: 0,
            details: None,
            pass: None,
        };
        self.done(Action::Reserve(reserve));
        let seq = ReservationSeq(n);
        self.done(Action::Confirm { seq, lines: Vec::new(), key: None });
        seq
    }

    fn units(&self, node: u32) -> [u32; 4] {
        let stock = self.ledger.node_stock(NodeNo(node), SkuIx(0));
        stock.map_or([0; 4], |s| [s.free, s.assigned, s.gone, s.written_off])
    }

    /// The audit holds, the replay is the same state, and so is the image.
    fn check(&self) {
        self.ledger.audit().unwrap_or_else(|violation| panic!("{violation}"));
        let digest = self.ledger.digest();
        assert_eq!(self.replica.digest(), digest, "replay");
        assert_eq!(self.loaded().digest(), digest, "image");
    }

    fn loaded(&self) -> Ledger {
        let mut loader = SnapshotLoader::new([5, 6]);
        self.ledger.snapshot(|kind, bytes| loader.chunk(kind, bytes)).expect("loads");
        loader.finish().expect("complete")
    }
}

fn put(store: &str, attributes: &str) -> Action {
    Action::Nodes(Box::new(NodeAction::Put {
        name: store.into(),
        attributes: attributes.into(),
        by: by(),
    }))
}

fn stock(node: u32, how: StockHow) -> Action {
    let (node, sku) = (NodeNo(node), SkuIx(0));
    Action::Nodes(Box::new(NodeAction::Stock { node, sku, how, by: by() }))
}

fn count(on_hand: u32, safety: u32) -> StockHow {
    StockHow::Count { on_hand, safety, attributes: "".into() }
}

fn plan(seq: ReservationSeq, attempt: u16, shipments: &[(u32, u32)]) -> Action {
    let shipments = shipments.iter().map(|&(node, units)| PlannedShipment {
        node: NodeNo(node),
        units,
        promise_at: Timestamp(START + 3_600_000),
        sure: 9_500,
    });
    let (shipments, note) = (shipments.collect(), Box::from(*b"why"));
    Action::Nodes(Box::new(NodeAction::Plan(Planned { seq, attempt, shipments, note })))
}

fn reject(seq: ReservationSeq, node: u32, reason: Reason) -> Action {
    let node = NodeNo(node);
    Action::Nodes(Box::new(NodeAction::Reject { seq, node, reason, by: by() }))
}

fn dispatch(seq: ReservationSeq, node: u32) -> Action {
    Action::Nodes(Box::new(NodeAction::Dispatch { seq, node: NodeNo(node), by: by() }))
}

fn collect(seq: ReservationSeq) -> Action {
    Action::Nodes(Box::new(NodeAction::Collect { seq, by: by() }))
}

fn cancel(seq: ReservationSeq, restock: bool) -> Action {
    Action::Cancel { seq, restock, by: by() }
}

#[test]
fn the_life_of_an_order_at_stores() {
    let mut w = World::new(true);
    w.done(stock(0, count(5, 2)));
    assert_eq!(w.moves, [(SkuIx(0), StockMove::Add(3))], "the store keeps two for itself");
    w.done(stock(2, StockHow::Add(4)));
    assert_eq!(w.ledger.skus()[0].supplied, 7);
    let seq = w.sale(5);
    assert_eq!(w.ledger.open_units(seq), 5);
    w.done(plan(seq, 1, &[(0, 3), (2, 2)]));
    assert_eq!((w.units(0), w.units(2)), ([0, 3, 0, 0], [2, 2, 0, 0]));
    assert_eq!(w.ask(plan(seq, 2, &[(2, 2)])), Answer::Already(Subject::Reservation(seq)));
    w.check();

    w.done(reject(seq, 0, Reason::TooBusy));
    assert_eq!((w.units(0), w.ledger.open_units(seq)), ([3, 0, 0, 0], 3));
    assert!(w.moves.is_empty(), "the units are still there");
    assert!(matches!(w.refused(plan(seq, 2, &[(0, 3)])), Refusal::Invalid(_)), "it refused");
    assert!(matches!(w.refused(plan(seq, 2, &[(2, 3)])), Refusal::Invalid(_)), "it has two");
    assert!(matches!(w.refused(collect(seq)), Refusal::Invalid(_)), "three have no store");
    w.done(stock(1, StockHow::Add(3)));
    w.done(plan(seq, 2, &[(1, 3)]));
    w.done(dispatch(seq, 2));
    assert_eq!(w.ask(dispatch(seq, 2)), Answer::Already(Subject::Reservation(seq)));
    assert_eq!(w.refused(reject(seq, 2, Reason::Damaged)), Refusal::AlreadyFinal);
    assert_eq!(w.refused(dispatch(seq, 0)), Refusal::AlreadyFinal, "it refused");
    assert!(matches!(w.refused(cancel(seq, true)), Refusal::Invalid(_)), "part of it left");
    w.check();

    w.done(collect(seq));
    assert_eq!((w.units(1), w.units(2)), ([0, 0, 3, 0], [2, 0, 2, 0]));
    assert_eq!(w.refused(collect(seq)), Refusal::AlreadyFinal, "a code counts once");
    let order = w.ledger.order(seq).expect("planned");
    assert!(order.note.is_empty() && order.collected_at == Timestamp(START));
    let nodes: Vec<_> = w.ledger.nodes().iter().map(|n| (n.accepted, n.rejected)).collect();
    assert_eq!(nodes, [(0, 1), (1, 0), (1, 0)]);
    w.check();
}

#[test]
fn what_is_missing_leaves_the_sale_as_far_as_nobody_holds_it() {
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(6)));
    w.done(stock(1, StockHow::Add(6)));
    let seq = w.sale(2);
    w.done(plan(seq, 1, &[(0, 2)]));
    w.busy = 3;
    w.done(reject(seq, 0, Reason::NotInStock));
    assert_eq!(w.units(0), [0, 0, 0, 6], "the whole shelf is empty");
    assert_eq!(w.moves, [(SkuIx(0), StockMove::Keep(6))], "six of the seven nobody is taking");
    assert_eq!(w.ledger.skus()[0].free, 4);
    w.busy = 3;
    w.done(plan(seq, 2, &[(1, 2)]));
    w.done(reject(seq, 1, Reason::Damaged));
    assert_eq!(w.units(1), [4, 0, 0, 2], "the others are fit");
    assert_eq!(w.moves, [(SkuIx(0), StockMove::Keep(1))], "callers have the other three");
    assert_eq!(w.ledger.nodes()[1].rejected, 0, "damage says nothing about acceptance");
    assert_eq!(w.ask(reject(seq, 1, Reason::Damaged)), Answer::Already(Subject::Reservation(seq)));
    w.check();
}

#[test]
fn a_cancelled_sale_takes_its_plan_back() {
    for (restock, expected) in [(true, [5, 0, 0, 0]), (false, [3, 0, 0, 2])] {
        for from_stores in [true, false] {
            let mut w = World::new(from_stores);
            w.done(stock(0, StockHow::Add(5)));
            let seq = w.sale(2);
            w.done(plan(seq, 1, &[(0, 2)]));
            w.done(cancel(seq, restock));
            assert_eq!(w.units(0), expected);
            assert_eq!(w.ledger.reservation(seq).map(|r| r.state), Some(State::Cancelled));
            assert_eq!(w.refused(plan(seq, 2, &[(0, 2)])), Refusal::AlreadyFinal);
            assert_eq!(w.refused(collect(seq)), Refusal::AlreadyFinal);
            w.check();
        }
    }
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(5)));
    let seq = w.sale(2);
    w.done(plan(seq, 1, &[(0, 2)]));
    w.done(dispatch(seq, 0));
    w.done(cancel(seq, false));
    assert_eq!(w.units(0), [3, 0, 2, 0], "it is gone all the same");
    w.check();
}

#[test]
fn stock_moves_the_supply_only_where_it_is_the_supply() {
    let mut w = World::new(false);
    w.done(stock(0, StockHow::Add(5)));
    assert!(w.moves.is_empty());
    assert_eq!(w.ledger.skus()[0].supplied, 20);
    w.done(stock(0, count(2, 0)));
    assert_eq!(w.units(0), [2, 0, 0, 3]);
    assert_eq!(w.ask(stock(0, count(2, 0))), Answer::Already(Subject::Node(NodeNo(0))));
    assert!(matches!(w.refused(stock(0, StockHow::Add(-3))), Refusal::Invalid(_)));
    w.check();

    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(5)));
    let supply = Action::Supply { sku: SkuIx(0), units: 1, by: by() };
    assert!(matches!(w.refused(supply), Refusal::Invalid(_)), "only stores supply it");
    w.sale(4);
    let refusal = w.refused(stock(0, count(0, 0)));
    assert!(refusal.to_string().contains("only 1 units"), "{refusal}");
    w.busy = 1;
    let refusal = w.refused(stock(0, StockHow::Add(-1)));
    assert!(refusal.to_string().contains("neither held nor sold"), "a caller was faster");
    w.busy = 0;
    w.done(stock(0, StockHow::Add(-1)));
    assert_eq!((w.units(0), w.ledger.skus()[0].withdrawn), ([4, 0, 0, 1], 1));
    w.check();
}

/// A line counts the units of its campaign by itself; what stores move is among them.
#[test]
fn a_line_before_the_stores_counts_what_they_move() {
    let mut w = World::new(true);
    let terms = w.ledger.campaigns()[0].terms.clone();
    let mut spec = CampaignSpec::new(name("queue"), terms, vec![SkuSpec::new(name("milk"), 0, 0)]);
    spec.line = Some(LineTerms::equal());
    w.done(Action::Put(Box::new(spec)));
    let sku = SkuIx(1);
    for how in [StockHow::Add(5), StockHow::Add(-2), count(9, 1)] {
        let moved = NodeAction::Stock { node: NodeNo(0), sku, how, by: by() };
        w.busy = 0;
        w.ask(Action::Nodes(Box::new(moved)));
        w.check();
    }
    assert_eq!(w.ledger.skus()[1].free, 8);
}

#[test]
fn a_count_keeps_what_orders_have() {
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(5)));
    let seq = w.sale(2);
    w.done(plan(seq, 1, &[(0, 2)]));
    assert_eq!(w.ask(stock(0, count(5, 0))), Answer::Already(Subject::Node(NodeNo(0))));
    w.done(stock(0, count(9, 1)));
    assert_eq!(w.units(0), [6, 2, 0, 0], "nine there, two of an order, one kept");
    w.check();
}

#[test]
fn what_does_not_fit_is_refused_with_words() {
    let mut w = World::new(true);
    assert_eq!(w.ask(put("a", "{}")), Answer::Already(Subject::Node(NodeNo(0))));
    w.done(put("a", "{\"lat\":1}"));
    for bad in ["", " a", "a\n", &"x".repeat(65)] {
        assert!(matches!(w.refused(put(bad, "{}")), Refusal::Invalid(_)), "{bad:?}");
    }
    assert!(matches!(w.refused(put("c", &"x".repeat(2_000))), Refusal::Invalid(_)));
    assert_eq!(w.refused(stock(7, StockHow::Add(1))), Refusal::NotFound);
    w.done(stock(0, StockHow::Add(9)));
    let seq = w.sale(2);
    let wrong = [
        plan(seq, 2, &[(0, 2)]),
        plan(seq, 1, &[(0, 1)]),
        plan(seq, 1, &[(0, 3)]),
        plan(seq, 1, &[(0, 1), (0, 1)]),
        plan(seq, 1, &[(0, 2), (1, 0)]),
        plan(seq, 1, &[]),
        plan(seq, 1, &[(1, 2)]),
    ];
    for wrong in wrong {
        assert!(matches!(w.refused(wrong.clone()), Refusal::Invalid(_)), "{wrong:?}");
    }
    assert_eq!(w.refused(reject(seq, 0, Reason::TooBusy)), Refusal::NotFound, "not planned");
    assert_eq!(w.refused(collect(seq)), Refusal::NotFound);
    w.done(plan(seq, 1, &[(0, 2)]));
    assert_eq!(w.refused(reject(seq, 1, Reason::TooBusy)), Refusal::NotFound);
    let held = Action::Nodes(Box::new(NodeAction::Reject {
        seq,
        node: NodeNo(0),
        reason: Reason::TooBusy,
        by: By::new("ann", ""),
    }));
    assert!(matches!(w.refused(held), Refusal::Invalid(_)), "why is kept");
    w.check();
}

#[test]
fn a_routing_policy_replaces_the_version_that_was_read() {
    let mut w = World::new(true);
    let routing = |replaces, text: &str| {
        let text = text.into();
        Action::Nodes(Box::new(NodeAction::Routing { replaces, text, by: by() }))
    };
    assert!(matches!(w.refused(routing(1, "version = 1")), Refusal::Invalid(_)));
    assert_eq!(w.done(routing(0, "version = 1")), Subject::Routing(1));
    assert_eq!(w.ask(routing(0, "version = 1")), Answer::Already(Subject::Routing(1)));
    assert!(matches!(w.refused(routing(0, "version = 1 ")), Refusal::Invalid(_)));
    assert_eq!(w.done(routing(1, "# two")), Subject::Routing(2));
    assert!(matches!(w.refused(routing(2, &"x".repeat(20_000))), Refusal::Invalid(_)));
    w.check();
}

#[test]
fn an_order_is_not_planned_for_ever() {
    let mut w = World::new(false);
    let seq = w.sale(1);
    for n in 0..PLANS_PER_RESERVATION_MAX {
        w.done(put(&format!("n{n}"), "{}"));
        let node = 3 + u32::from(n);
        w.done(stock(node, StockHow::Add(1)));
        w.done(plan(seq, n + 1, &[(node, 1)]));
        w.done(reject(seq, node, Reason::TooBusy));
    }
    w.done(stock(0, StockHow::Add(1)));
    let refusal = w.refused(plan(seq, PLANS_PER_RESERVATION_MAX + 1, &[(0, 1)]));
    assert!(refusal.to_string().contains("cancel"), "{refusal}");
    w.check();
}

#[test]
fn records_that_do_not_follow_are_refused() {
    let mut w = World::new(true);
    w.done(stock(0, StockHow::Add(5)));
    let seq = w.sale(2);
    w.done(plan(seq, 1, &[(0, 2)]));
    let moved = |node, units, supplies| StockMoved {
        node: NodeNo(node),
        sku: SkuIx(0),
        units,
        supplies,
        safety: 0,
        attributes: "".into(),
        by: by(),
    };
    let shipment = PlannedShipment { node: NodeNo(0), units: 1, promise_at: Timestamp(1), sure: 1 };
    let planned = |attempt, shipments| {
        NodeChange::Planned(Planned { seq, attempt, shipments, note: Box::default() })
    };
    let rejected = |shipment, also_off, withdrawn| {
        let reason = Reason::NotInStock;
        NodeChange::Rejected { seq, shipment, reason, also_off, withdrawn, by: by() }
    };
    let routing = Routing { version: 2, text: "x".into(), by: by() };
    let node = |n: u32, called: &str| NodeChange::Node {
        node: NodeNo(n),
        name: called.into(),
        attributes: "".into(),
        by: by(),
    };
    for change in [
        NodeChange::Stock(moved(0, 1, false)),
        NodeChange::Stock(moved(9, 1, true)),
        NodeChange::Stock(moved(0, -4, true)),
        planned(2, vec![shipment]),
        planned(1, vec![]),
        rejected(1, 3, 0),
        rejected(0, 2, 0),
        rejected(0, 3, 6),
        NodeChange::Dispatched { seq, shipment: 1, by: by() },
        NodeChange::Routing(routing),
        node(4, "z"),
        node(3, "a"),
        node(0, "b"),
    ] {
        let record =
            Record { stamp: Timestamp(w.now), change: Change::Nodes(Box::new(change.clone())) };
        assert!(w.loaded().apply(&record).is_err(), "{change:?}");
    }
}

#[derive(Clone, Debug)]
enum Act {
    Stock { node: u32, how: StockHow },
    Sale { units: u32 },
    Plan { sale: usize, shipments: Vec<(u32, u32)> },
    Reject { sale: usize, node: u32, reason: Reason },
    Dispatch { sale: usize, node: u32 },
    Collect { sale: usize },
    Cancel { sale: usize, restock: bool },
    Busy { units: u32 },
}

fn any_act() -> impl Strategy<Value = Act> {
    let node = || 0u32..3;
    let sale = || 0usize..12;
    let how = prop_oneof![
        (-4i64..8).prop_map(StockHow::Add),
        (0u32..9, 0u32..2).prop_map(|(on_hand, safety)| count(on_hand, safety)),
    ];
    let reason = (1u8..=3).prop_map(|n| Reason::from_u8(n).expect("in range"));
    prop_oneof![
        4 => (node(), how).prop_map(|(node, how)| Act::Stock { node, how }),
        4 => (1u32..4).prop_map(|units| Act::Sale { units }),
        6 => (sale(), proptest::collection::vec((node(), 1u32..3), 1..3))
            .prop_map(|(sale, shipments)| Act::Plan { sale, shipments }),
        2 => (sale(), node(), reason)
            .prop_map(|(sale, node, reason)| Act::Reject { sale, node, reason }),
        2 => (sale(), node()).prop_map(|(sale, node)| Act::Dispatch { sale, node }),
        1 => sale().prop_map(|sale| Act::Collect { sale }),
        1 => (sale(), any::<bool>()).prop_map(|(sale, restock)| Act::Cancel { sale, restock }),
        1 => (0u32..4).prop_map(|units| Act::Busy { units }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is asked in whatever order: nothing diverges, every unit is accounted for at every
    /// store, and while no store finds anything missing, what is free at stores covers what is free
    /// or promised in the sale.
    #[test]
    fn any_history_is_conserved(
        from_stores: bool, acts in proptest::collection::vec(any_act(), 1..50),
    ) {
        let mut w = World::new(from_stores);
        let mut lost = !from_stores;
        for act in acts {
            let sale = |n: usize| ReservationSeq(n as u32);
            match act {
                Act::Stock { node, how } => drop(w.ask(stock(node, how))),
                Act::Sale { units } => {
                    let s = &w.ledger.skus()[0];
                    if s.free >= units + w.busy {
                        w.sale(units);
                    }
                }
                Act::Plan { sale: n, shipments } => {
                    let attempt = w.ledger.order(sale(n)).map_or(0, |order| order.attempt) + 1;
                    let before = w.ledger.open_units(sale(n));
                    let answer = w.ask(plan(sale(n), attempt, &shipments));
                    if matches!(answer, Answer::Done(_)) {
                        prop_assert!(before > 0 && w.ledger.open_units(sale(n)) == 0);
                    }
                }
                Act::Reject { sale: n, node, reason } => {
                    let done = w.ask(reject(sale(n), node, reason));
                    lost |= matches!(done, Answer::Done(_)) && reason != Reason::TooBusy;
                }
                Act::Dispatch { sale: n, node } => drop(w.ask(dispatch(sale(n), node))),
                Act::Collect { sale: n } => drop(w.ask(collect(sale(n)))),
                Act::Cancel { sale: n, restock } => drop(w.ask(cancel(sale(n), restock))),
                Act::Busy { units } => w.busy = units.min(w.ledger.skus()[0].free),
            }
            w.busy = w.busy.min(w.ledger.skus()[0].free);
            w.check();
            let open: u32 = (0..w.ledger.reservation_count())
                .map(|n| w.ledger.open_units(ReservationSeq(n)))
                .sum();
            let free: u32 = w.ledger.node_stocks().map(|(_, _, stock)| stock.free).sum();
            let s = &w.ledger.skus()[0];
            if !lost {
                prop_assert!(free >= s.free + s.held + open, "{} {:?} {}", free, s.units(), open);
            }
        }
    }
}

#[path = "nodes_image_tests.rs"]
mod image;
#[path = "nodes_limit_tests.rs"]
mod limit;
