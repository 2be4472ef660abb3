use super::super::Posting;
use super::*;
use crate::reservation::State;
use onrush_types::{Lsn, Quantity, Timestamp};

const ANN: BuyerDigest = BuyerDigest([1; 16]);
const BEN: BuyerDigest = BuyerDigest([2; 16]);

struct World {
    claims: Claims,
    board: Board,
    flights: FlightLinks,
}

impl World {
    fn new(buyers_max: usize) -> World {
        let flights = FlightLinks::new(64);
        World { claims: Claims::new(8, buyers_max), board: Board::default(), flights }
    }

    fn claim(&self, credit: u32, claim: &Claim) -> Standing {
        let looked = self.claims.look(claim.buyer, || *claim, &self.board, &self.flights);
        let newcomer = || Standing::of_newcomer(claim.quantity, claim.limit, claim.sku_limit);
        let looked = looked.unwrap_or_else(newcomer);
        let claimed = self.claims.claim(claim, credit, &self.board, &self.flights);
        assert!(looked == claimed || claimed == Standing::Full, "a look predicts the claim");
        claimed
    }

    fn land(&self, credit: u32, seq: u32, claim: &Claim) {
        let seq = ReservationSeq(seq);
        self.claims.land(claim.buyer, Some(credit), seq, &self.flights, |previous| {
            self.board.post(seq, &posting(claim, previous));
        });
    }
}

fn posting(claim: &Claim, previous: u32) -> Posting {
    Posting {
        state: State::Held,
        lsn: Lsn(1),
        quantity: Quantity::new(claim.quantity).expect("quantity"),
        sku: claim.sku,
        key: claim.key,
        request: claim.request,
        expires_at: Timestamp(9),
        amount: 100,
        previous,
    }
}

fn ask(buyer: BuyerDigest, key: u64, sku: u32, quantity: u32) -> Claim {
    let request = RequestDigest(sku * 1000 + quantity);
    let (key, sku) = (KeyDigest(key), SkuIx(sku));
    Claim { buyer, key, request, sku, quantity, limit: 3, sku_limit: 2 }
}

#[test]
fn counts_what_is_held_and_what_is_in_flight() {
    let w = World::new(10);
    assert_eq!(w.claim(0, &ask(ANN, 1, 7, 1)), Standing::Clear);
    assert_eq!(w.claim(1, &ask(ANN, 2, 7, 2)), Standing::Limit(2), "two of SKU 7 at most");
    assert_eq!(w.claim(1, &ask(ANN, 2, 8, 2)), Standing::Clear);
    assert_eq!(w.claim(2, &ask(ANN, 3, 9, 1)), Standing::Limit(3), "three in all");
    w.land(0, 0, &ask(ANN, 1, 7, 1));
    assert_eq!(w.claim(2, &ask(ANN, 3, 9, 1)), Standing::Limit(3), "landing changes no sum");
    w.board.move_to(ReservationSeq(0), State::Expired, Lsn(2));
    assert_eq!(w.claim(2, &ask(ANN, 3, 9, 1)), Standing::Clear, "expired units are free again");
    assert_eq!(w.claim(3, &ask(BEN, 1, 7, 2)), Standing::Clear, "another buyer is another story");
    assert_eq!(w.claim(4, &ask(ANN, 9, 1, 4)), Standing::Limit(3), "too many for anyone");
}

#[test]
fn tells_repeat_reuse_and_in_flight_apart() {
    let w = World::new(10);
    let first = ask(ANN, 1, 7, 1);
    assert_eq!(w.claim(0, &first), Standing::Clear);
    assert_eq!(w.claim(1, &first), Standing::KeyInFlight);
    assert_eq!(w.claim(1, &ask(ANN, 1, 8, 1)), Standing::KeyReused);
    assert_eq!(w.claim(1, &ask(BEN, 1, 8, 1)), Standing::Clear, "keys belong to a buyer");
    w.land(0, 5, &first);
    assert_eq!(w.claim(2, &first), Standing::Repeat(ReservationSeq(5)));
    assert_eq!(w.claim(2, &ask(ANN, 1, 7, 2)), Standing::KeyReused);
}

#[test]
fn an_undone_claim_leaves_nothing_behind() {
    let w = World::new(1);
    for credits in [[0, 1], [1, 0]] {
        assert_eq!(w.claim(0, &ask(ANN, 1, 7, 1)), Standing::Clear);
        assert_eq!(w.claim(1, &ask(ANN, 2, 8, 1)), Standing::Clear);
        for credit in credits {
            w.claims.undo(ANN, credit, &w.flights);
        }
        assert_eq!(w.claims.buyers(), 0);
    }
    assert_eq!(w.claim(0, &ask(ANN, 1, 7, 1)), Standing::Clear);
    assert_eq!(w.claim(1, &ask(BEN, 1, 7, 1)), Standing::Full, "one buyer at most");
    w.claims.undo(ANN, 0, &w.flights);
    assert_eq!(w.claim(1, &ask(BEN, 1, 7, 1)), Standing::Clear, "room again");
}

#[test]
fn remembers_sixteen_reservations_and_no_more() {
    let w = World::new(10);
    for n in 0..16 {
        let claim = ask(ANN, n, 7, 1);
        assert_eq!(w.claim(0, &claim), Standing::Clear, "{n}");
        w.land(0, n as u32, &claim);
        w.board.move_to(ReservationSeq(n as u32), State::Released, Lsn(n + 2));
    }
    assert_eq!(w.claim(0, &ask(ANN, 99, 7, 1)), Standing::Limit(16));
    assert_eq!(w.claim(0, &ask(ANN, 0, 7, 1)), Standing::Repeat(ReservationSeq(0)));
    let mut seen = Vec::new();
    w.claims.reservations(ANN, &w.board, |seq, _| {
        seen.push(seq.0);
        true
    });
    assert_eq!(seen, (0..16).rev().collect::<Vec<_>>());
}

#[test]
fn a_thousand_threads_of_one_buyer_get_one() {
    let (w, ready) = (World::new(10), std::sync::Barrier::new(1_000));
    let flights = FlightLinks::new(1_000);
    let clear = AtomicUsize::new(0);
    std::thread::scope(|s| {
        for n in 0..1_000u32 {
            let (w, ready, clear, flights) = (&w, &ready, &clear, &flights);
            s.spawn(move || {
                let claim = Claim { limit: 1, ..ask(ANN, u64::from(n), 7, 1) };
                ready.wait();
                if w.claims.claim(&claim, n, &w.board, flights) == Standing::Clear {
                    clear.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(clear.into_inner(), 1);
}

#[test]
fn warming_ends_and_changes_nothing() {
    let mut w = World::new(100_000);
    w.claims = Claims::new(64_000, 100_000);
    let held = ask(scattered(7), 1, 0, 1);
    assert_eq!(w.claim(0, &held), Standing::Clear);
    w.land(0, 5, &held);
    let mut steps = 0;
    while w.claims.warm(300) {
        steps += 1;
    }
    assert_eq!(steps, 2_000 / 300);
    assert!(!w.claims.warm(300));
    assert_eq!(w.claims.buyers(), 1);
    assert_eq!(w.claim(1, &held), Standing::Repeat(ReservationSeq(5)), "a digest that was touched");
    assert_eq!(w.claims.buyers.len(), 1);
}

/// A buyer who owns a unit asks for another and loses the race for it: what is owned still counts.
#[test]
fn an_undone_claim_leaves_what_the_buyer_has() {
    let w = World::new(10);
    let owned = ask(ANN, 1, 7, 2);
    assert_eq!(w.claim(0, &owned), Standing::Clear);
    w.land(0, 5, &owned);
    assert_eq!(w.claim(1, &ask(ANN, 2, 8, 1)), Standing::Clear);
    w.claims.undo(ANN, 1, &w.flights);
    assert_eq!(w.claims.buyers(), 1);
    assert_eq!(w.claim(1, &owned), Standing::Repeat(ReservationSeq(5)), "its key is known");
    assert_eq!(w.claim(1, &ask(ANN, 3, 8, 2)), Standing::Limit(3), "its units count");
    // And one that is still in flight survives another that is undone.
    for credit in [2, 3] {
        assert_eq!(w.claim(credit, &ask(BEN, u64::from(credit), 9, 1)), Standing::Clear);
    }
    w.claims.undo(BEN, 2, &w.flights);
    assert_eq!(w.claim(2, &ask(BEN, 3, 9, 1)), Standing::KeyInFlight);
    w.claims.undo(BEN, 3, &w.flights);
    assert_eq!(w.claims.buyers(), 1);
}

/// The limit of a SKU counts the units of that SKU, in flight and landed alike, and no others.
#[test]
fn the_limit_of_a_sku_counts_its_own_units() {
    let w = World::new(10);
    let many = |key, sku, quantity| Claim { limit: 9, ..ask(ANN, key, sku, quantity) };
    for (credit, sku) in [(0, 7), (1, 8)] {
        assert_eq!(w.claim(credit, &many(u64::from(credit), sku, 1)), Standing::Clear);
    }
    for landed in [false, true] {
        if landed {
            w.land(0, 0, &many(0, 7, 1));
            w.land(1, 1, &many(1, 8, 1));
        }
        assert_eq!(w.claim(2, &many(5, 7, 2)), Standing::Limit(2), "landed: {landed}");
        for (key, sku, quantity) in [(5, 7, 1), (6, 9, 2)] {
            assert_eq!(w.claim(2, &many(key, sku, quantity)), Standing::Clear, "landed: {landed}");
            w.claims.undo(ANN, 2, &w.flights);
        }
    }
}

/// Requests in flight count towards the sixteen that are remembered: all of them may land.
#[test]
fn sixteen_in_flight_are_as_many_as_may_land() {
    let w = World::new(10);
    let many = |key| Claim { limit: 99, sku_limit: 99, ..ask(ANN, key, 7, 1) };
    for n in 0..16 {
        assert_eq!(w.claim(n, &many(u64::from(n))), Standing::Clear, "{n}");
    }
    assert_eq!(w.claim(16, &many(16)), Standing::Limit(16));
    w.land(3, 0, &many(3));
    assert_eq!(w.claim(16, &many(16)), Standing::Limit(16), "landing makes no room");
}

/// Who looks after a writer has asked for room sees what the writer wrote, however many look.
#[test]
fn a_look_stands_back_for_a_writer_who_was_kept_out() {
    let w = World::new(10);
    let claim = ask(ANN, 1, 7, 1);
    for round in 0..30 {
        let ready = std::sync::Barrier::new(2);
        // Relaxed: as in the product; the reader's start publishes it.
        w.claims.kept_out.store(1, Ordering::Relaxed);
        let looked = std::thread::scope(|s| {
            let reader = s.spawn(|| {
                ready.wait();
                w.claims.look(ANN, || claim, &w.board, &w.flights)
            });
            ready.wait();
            (0..3).for_each(|_| std::thread::yield_now());
            let claimed = w.claims.claim(&claim, 0, &w.board, &w.flights);
            // Relaxed: it publishes nothing; what was claimed is behind the entry's lock.
            w.claims.kept_out.store(0, Ordering::Relaxed);
            assert_eq!(claimed, Standing::Clear);
            reader.join().expect("it looks")
        });
        assert_eq!(looked, Some(Standing::KeyInFlight), "round {round}");
        w.claims.undo(ANN, 0, &w.flights);
    }
}

/// A table whose every key has one hash is a list, and all its shards are one lock.
#[test]
fn a_digest_is_its_own_hash() {
    use std::hash::BuildHasher;
    let hasher = BuildHasherDefault::<DigestBits>::default();
    for n in 0..100 {
        let digest = scattered(n);
        assert_eq!(hasher.hash_one(digest), digest.hash64());
    }
}

/// The digests that warming touches are the published sequence of splitmix64 from zero, whose bits are
/// known to be spread evenly.
#[test]
fn warming_touches_the_whole_table() {
    let known = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f_u64];
    for (n, word) in known.into_iter().enumerate() {
        let BuyerDigest(bytes) = scattered(n as u64);
        assert_eq!([&bytes[..8], &bytes[8..]], [word.to_le_bytes(); 2], "{n}");
    }
}
