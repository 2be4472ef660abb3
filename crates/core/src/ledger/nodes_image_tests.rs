//! Stores in the image and before the audit: each word comes back as it was, an image that lacks rows
//! or says what cannot be is refused, and so is a state that does not add up (INV-15, INV-16).

use super::super::snapshot::{ArchivedChunk, Chunk};
use super::*;
use rkyv::rancor;

const HEAD: u32 = 64;
const NODES: u32 = 65;
const STOCK: u32 = 66;
const ORDERS: u32 = 67;

type Image = Vec<(u32, Vec<u64>, Vec<u8>)>;
type Spoil = fn(&mut Ledger);

fn image(ledger: &Ledger) -> Image {
    let mut image = Image::new();
    let Ok(()) = ledger.snapshot(|kind, bytes| {
        let chunk = rkyv::access::<ArchivedChunk, rancor::Error>(bytes).expect("an archive");
        let words = chunk.words.iter().map(|word| word.to_native()).collect();
        image.push((kind, words, chunk.bytes.to_vec()));
        Ok::<(), std::convert::Infallible>(())
    });
    image
}

fn load(image: &Image) -> Result<Ledger, SnapshotError> {
    let mut loader = SnapshotLoader::new([5, 6]);
    for (kind, words, bytes) in image {
        let chunk = Chunk { words: words.clone(), bytes: bytes.clone() };
        let bytes = rkyv::to_bytes::<rancor::Error>(&chunk).expect("archives");
        loader.chunk(*kind, &bytes)?;
    }
    loader.finish()
}

fn words(image: &mut Image, kind: u32) -> &mut Vec<u64> {
    &mut image.iter_mut().find(|chunk| chunk.0 == kind).expect("it is there").1
}

/// Two stores, a routing policy, and an order that one store refused and two have.
fn with_an_order() -> (World, ReservationSeq) {
    let mut w = World::new(true);
    for node in [0, 1, 2] {
        w.done(stock(node, StockHow::Add(5)));
    }
    w.done(stock(1, StockHow::Count { on_hand: 7, safety: 2, attributes: "q".into() }));
    let (text, by) = ("a policy".into(), by());
    w.done(Action::Nodes(Box::new(NodeAction::Routing { replaces: 0, text, by })));
    let seq = w.sale(5);
    w.done(plan(seq, 1, &[(0, 2), (1, 3)]));
    w.now += 7;
    w.done(reject(seq, 0, Reason::TooBusy));
    w.done(plan(seq, 2, &[(2, 2)]));
    w.now += 11;
    w.done(dispatch(seq, 2));
    (w, seq)
}

#[test]
fn every_word_about_stores_comes_back_from_the_image() {
    let (mut w, seq) = with_an_order();
    for collected in [false, true] {
        if collected {
            w.done(collect(seq));
            let at = w.ledger.order(seq).map(|order| order.collected_at);
            assert_eq!(at, Some(Timestamp(START + 18)));
        }
        let order = w.ledger.order(seq).expect("planned");
        assert_eq!((order.attempt, order.shipments.len()), (2, 3));
        let loaded = w.loaded();
        assert_eq!(loaded.nodes(), w.ledger.nodes());
        assert_eq!(loaded.routing(), w.ledger.routing());
        assert!(loaded.node_stocks().eq(w.ledger.node_stocks()));
        assert!(loaded.orders().eq(w.ledger.orders()), "{:?}", loaded.order(seq));
    }
}

#[test]
fn an_image_that_lacks_rows_of_stores_is_refused() {
    let (w, _) = with_an_order();
    let whole = image(&w.ledger);
    assert_eq!(load(&whole).expect("whole").digest(), w.ledger.digest());
    for (kind, what) in [
        (HEAD, "stores are missing"),
        (NODES, "a store's stock"),
        (STOCK, "an order at a store that has no such stock"),
        (ORDERS, "stores are missing"),
    ] {
        let lacking: Image = whole.iter().filter(|chunk| chunk.0 != kind).cloned().collect();
        assert_eq!(lacking.len() + 1, whole.len());
        assert_eq!(load(&lacking).expect_err("it lacks a chunk").what, what, "without {kind}");
    }
    for table in 0..3 {
        let mut lacking = whole.clone();
        words(&mut lacking, HEAD)[table] += 1;
        let error = load(&lacking).expect_err("it lacks a row");
        assert_eq!(error.what, "stores are missing", "table {table}");
    }
}

/// A row is five words: store and SKU, supplied and free, assigned and gone, written off and safety,
/// and the length of a text.
#[test]
fn stock_that_cannot_be_is_refused_in_an_image() {
    let mut w = World::new(true);
    w.done(stock(1, StockHow::Add(5)));
    let whole = image(&w.ledger);
    load(&whole).expect("whole");
    let pair = |high: u64, low: u64| high << 32 | low;
    for (what, at, word) in [
        ("no such store", 0, pair(3, 0)),
        ("no such SKU", 0, pair(1, 1)),
        ("neither", 0, pair(3, 1)),
        ("more than was supplied", 1, pair(5, 6)),
        ("less than was supplied", 1, pair(6, 5)),
        ("assigned besides", 2, pair(1, 0)),
        ("gone besides", 2, pair(0, 1)),
        ("written off besides", 3, pair(1, 0)),
    ] {
        let mut wrong = whole.clone();
        words(&mut wrong, STOCK)[at] = word;
        assert_eq!(load(&wrong).expect_err(what).what, "a store's stock", "{what}");
    }
    let mut twice = whole.clone();
    words(&mut twice, HEAD)[1] += 1;
    let rows = words(&mut twice, STOCK);
    rows.extend_from_within(..);
    assert_eq!(load(&twice).expect_err("the same row twice").what, "a store's stock");
}

#[test]
fn the_audit_names_what_does_not_add_up_at_stores() {
    fn stock_of(ledger: &mut Ledger, node: u32) -> &mut NodeStock {
        ledger.nodes.stock.get_mut(&(NodeNo(node), SkuIx(0))).expect("it has stock")
    }
    fn shipments(ledger: &mut Ledger) -> &mut Vec<Shipment> {
        &mut ledger.nodes.orders.get_mut(&0).expect("planned").shipments
    }
    let wrong: [(&str, &str, Spoil); 7] = [
        ("INV-16", "order 9 has no reservation", |ledger| {
            ledger.nodes.orders.insert(9, OrderState::default());
        }),
        ("INV-16", "order 0: 8 units on their way, 5 sold", |ledger| {
            let assigned = shipments(ledger)[1];
            shipments(ledger).push(assigned);
        }),
        ("INV-16", "order 0: 6 units on their way, 5 sold", |ledger| {
            let handed_over = shipments(ledger)[2];
            *shipments(ledger) = vec![handed_over; 3];
        }),
        ("INV-15", "says NodeStock", |ledger| {
            let stock = stock_of(ledger, 1);
            (stock.free, stock.assigned) = (stock.free - 1, stock.assigned + 1);
        }),
        ("INV-15", "says NodeStock", |ledger| stock_of(ledger, 1).supplied += 1),
        ("INV-15", "which has none", |ledger| {
            ledger.nodes.stock.remove(&(NodeNo(1), SkuIx(0)));
        }),
        ("INV-15", "SKU 0: supplied 16, its stores 15", |ledger| {
            let s = &mut ledger.skus[0];
            (s.supplied, s.free) = (s.supplied + 1, s.free + 1);
        }),
    ];
    let (w, _) = with_an_order();
    w.ledger.audit().expect("it adds up");
    for (promise, what, spoil) in wrong {
        let mut ledger = w.loaded();
        spoil(&mut ledger);
        let violation = ledger.audit().expect_err(what);
        assert_eq!(violation.promise, promise, "{violation}");
        assert!(violation.what.contains(what), "{what}: {violation}");
    }
}
