//! Ends: a stop under load loses nothing, late comers are told, the last engine takes its threads
//! with it, and a failing disk stops a running engine for good.

mod common;

use common::*;
use onrush::journal::{FakeDisk, Loss};
use onrush::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

fn running(disk: &FakeDisk) -> Engine {
    let options = Options { segment_bytes: 1 << 20, ..options() };
    Engine::open_with(parts(disk, &ManualClock::new()), options).expect("opens")
}

fn put(engine: &Engine, spec: CampaignSpec) -> Arc<Campaign> {
    granted(engine.put_campaign(spec).wait().expect("healthy"))
}

/// Ask for as long as the engine answers; return what was held, in the end by whom.
fn ask_until_it_ends(engine: &Engine, campaign: &Campaign, caller: usize) -> Vec<Reservation> {
    let mut held = Vec::new();
    for n in 0.. {
        let buyer = engine.buyer(&format!("{caller}-{n}"));
        match engine.reserve(&ReserveRequest::new(campaign, "unit", buyer, "k")).wait() {
            Ok(Decision::Done(reservation)) => held.push(reservation),
            Ok(Decision::Refused(Refusal::Stopping)) => return held,
            Ok(Decision::Refused(Refusal::Overloaded { .. })) => {}
            Ok(other) => panic!("{other:?}"),
            Err(EngineError::Stopped) => return held,
            Err(EngineError::OutcomeUnknown | EngineError::JournalFailed { .. }) => return held,
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!("the engine ends")
}

/// Run callers until `end` ends the engine, and return what they hold.
fn under_load(engine: &Engine, end: impl FnOnce(&Engine)) -> Vec<Reservation> {
    let campaign = put(engine, spec("drop", &[("unit", 1 << 30)]));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|n| {
                let campaign = &campaign;
                scope.spawn(move || ask_until_it_ends(engine, campaign, n))
            })
            .collect();
        // It ends in the middle: when this many were told.
        while engine.look(ReservationSeq(300)).is_none() {
            thread::yield_now();
        }
        end(engine);
        callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect()
    })
}

/// Everything that was told is there after the worst that can happen next.
fn check_after(disk: &FakeDisk, told: &[Reservation]) {
    disk.power_cut(Loss::Everything);
    let world = World::open(disk.clone(), ManualClock::new(), options()).expect("opens");
    for reservation in told {
        let found = world.engine.look(reservation.seq).expect("what was told is there");
        assert_eq!((found.id, found.state), (reservation.id, State::Held));
    }
    world.check();
}

#[test]
fn a_stop_under_load_answers_and_keeps_everything() {
    let disk = FakeDisk::new(1);
    let engine = running(&disk);
    let told = under_load(&engine, |engine| engine.shutdown().expect("healthy"));
    assert!(told.len() >= 300, "{} told", told.len());
    assert_eq!(engine.status().reserves_in_flight, 0, "everybody was answered");
    let campaign = engine.campaign("drop").expect("reads go on");
    let late = engine.release(told[0].seq, None).wait();
    assert_eq!(refused(late.expect("told at once")), Refusal::Stopping);
    assert!(engine.put_campaign(spec("more", &[])).wait().expect("at once").refusal().is_some());
    let stopped = engine.inspect(|ledger| ledger.lsn()).wait();
    assert_eq!(stopped, Err(EngineError::Stopped));
    assert_eq!(campaign.buyers(), told.len(), "late comers left no claim");
    engine.shutdown().expect("twice is once");
    drop(engine);
    check_after(&disk, &told);
}

#[test]
fn dropping_the_last_engine_ends_its_threads_and_keeps_everything() {
    let disk = FakeDisk::new(2);
    let engine = running(&disk);
    let campaign = put(&engine, spec("drop", &[("unit", 500)]));
    let buyers: Vec<_> = (0..200).map(|n| engine.buyer(&format!("buyer-{n}"))).collect();
    let pending: Vec<_> = buyers
        .iter()
        .map(|&buyer| engine.reserve(&ReserveRequest::new(&campaign, "unit", buyer, "k")))
        .collect();
    let clone = engine.clone();
    drop(engine);
    clone.buyer("still there");
    drop(clone);
    // Joined: nobody is left to answer, and everybody was answered.
    let told: Vec<_> = pending
        .into_iter()
        .map(|mut pending| done(pending.try_take().expect("answered").expect("healthy")))
        .collect();
    assert_eq!(told.len(), 200);
    check_after(&disk, &told);
}

#[test]
fn a_failing_disk_under_load_ends_a_running_engine_once() {
    for sync in [4, 40, 90] {
        let disk = FakeDisk::new(sync);
        let engine = running(&disk);
        let (tell, told_of_failure) = channel();
        engine.on_failure(move |error| tell.send(error.clone()).expect("somebody listens"));
        disk.fail_sync(disk.operations().syncs + sync);
        let told = under_load_until_failure(&engine);
        let error = told_of_failure.recv().expect("the hook was called");
        assert!(matches!(error, EngineError::JournalFailed { .. }));
        assert!(told_of_failure.recv().is_err(), "called once, and gone");
        assert!(engine.shutdown().is_err());
        drop(engine);
        check_after(&disk, &told);
    }
}

fn under_load_until_failure(engine: &Engine) -> Vec<Reservation> {
    let Ok(decision) = engine.put_campaign(spec("drop", &[("unit", 1 << 30)])).wait() else {
        return Vec::new();
    };
    let campaign = granted(decision);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|n| {
                let campaign = &campaign;
                scope.spawn(move || ask_until_it_ends(engine, campaign, n))
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect()
    })
}

/// Holds each caller back where every check of the engine's health is behind it.
struct Gate {
    arrived: Sender<()>,
    open: Mutex<Receiver<()>>,
}

impl Screen for Gate {
    fn screen(&self, _: &ReserveRequest<'_>, _: Timestamp) -> Verdict {
        self.arrived.send(()).expect("the test listens");
        self.open.lock().expect("one caller").recv().expect("the test opens it");
        Verdict::Admit
    }
}

/// A request that overtakes the end is answered with it, and leaves neither a claim nor a unit taken.
fn a_late_comer_after(end: impl FnOnce(&Engine, &FakeDisk)) -> EngineError {
    let disk = FakeDisk::new(5);
    let ((arrived, arrivals), (opener, open)) = (channel(), channel());
    let gate: Arc<dyn Screen> = Arc::new(Gate { arrived, open: Mutex::new(open) });
    let options = Options { screen: Some(gate), ..options() };
    let engine = Engine::open_with(parts(&disk, &ManualClock::new()), options).expect("opens");
    let campaign = put(&engine, spec("drop", &[("unit", 3)]));
    let sku = campaign.sku("unit").expect("it has it").ix;
    thread::scope(|scope| {
        let late = scope.spawn(|| {
            let ask = ReserveRequest::new(&campaign, "unit", engine.buyer("ann"), "k");
            engine.reserve(&ask).wait()
        });
        arrivals.recv().expect("the caller comes");
        end(&engine, &disk);
        opener.send(()).expect("the caller waits");
        let error = late.join().expect("no panic").expect_err("it came too late");
        assert_eq!(engine.units(sku), Some(SlotView { free: 3, held: 0 }));
        assert_eq!(campaign.buyers(), 0);
        assert_eq!(engine.status().reserves_in_flight, 0);
        error
    })
}

#[test]
fn a_request_that_overtakes_the_end_is_answered_and_undone() {
    let stop = |engine: &Engine, _: &FakeDisk| engine.shutdown().expect("healthy");
    assert_eq!(a_late_comer_after(stop), EngineError::Stopped);
    let fail = |engine: &Engine, disk: &FakeDisk| {
        disk.fail_sync(disk.operations().syncs);
        let lost = engine.put_campaign(spec("more", &[])).wait();
        assert_eq!(lost.map(|_| ()), Err(EngineError::OutcomeUnknown));
    };
    // The failure may still be being told when it comes: then it counts as one that was under way.
    let error = a_late_comer_after(fail);
    let told = matches!(error, EngineError::JournalFailed { .. } | EngineError::OutcomeUnknown);
    assert!(told, "{error}");
}

/// The hook may own the last engine, and drop it where it is called.
#[test]
fn a_failure_hook_may_drop_the_last_engine() {
    let disk = FakeDisk::new(3);
    let engine = running(&disk);
    let (tell, dropped) = channel();
    let own = engine.clone();
    engine.on_failure(move |_| {
        drop(own);
        tell.send(()).expect("the test listens");
    });
    disk.fail_sync(disk.operations().syncs);
    let pending = engine.put_campaign(spec("drop", &[("unit", 1)]));
    drop(engine);
    dropped.recv().expect("the hook came to its end");
    assert_eq!(pending.wait().map(|_| ()), Err(EngineError::OutcomeUnknown));
}

/// Someone who waits on another thread is answered whatever happens.
#[test]
fn a_waiting_thread_is_woken_by_a_stop() {
    let disk = FakeDisk::new(4);
    let engine = running(&disk);
    let campaign = put(&engine, spec("drop", &[("unit", 1)]));
    let answers = Arc::new(AtomicU32::new(0));
    thread::scope(|scope| {
        for n in 0..8 {
            let (engine, campaign, answers) = (&engine, &campaign, answers.clone());
            scope.spawn(move || {
                let buyer = engine.buyer(&format!("buyer-{n}"));
                let ask = ReserveRequest::new(campaign, "unit", buyer, "k");
                let _answer = engine.reserve(&ask).wait();
                answers.fetch_add(1, Ordering::Relaxed);
            });
        }
        engine.shutdown().expect("healthy");
    });
    assert_eq!(answers.load(Ordering::Relaxed), 8);
}
