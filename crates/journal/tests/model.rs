//! Random lives of a journal against two lists of records.

mod common;

use common::world::World;
use onrush_journal::{FakeDisk, JournalError, Loss};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Append(u16),
    Commit,
    CommitWhileAppending(u16),
    Mark,
    Prepare,
    /// The power goes at one of the next changes.
    CutSoon(u8),
    /// One of the next syncs or writes fails.
    FailSync(u8),
    FailWrite(u8),
    Kill,
    PowerCut(Loss),
    Full,
    Room,
}

fn step() -> impl Strategy<Value = Step> {
    let loss = prop_oneof![
        Just(Loss::Everything),
        Just(Loss::Nothing),
        Just(Loss::Random),
        (1..100_u8).prop_map(Loss::Percent),
    ];
    prop_oneof![
        12 => (1..1_500_u16).prop_map(Step::Append),
        8 => Just(Step::Commit),
        4 => (1..1_500_u16).prop_map(Step::CommitWhileAppending),
        3 => Just(Step::Mark),
        5 => Just(Step::Prepare),
        2 => (0..8_u8).prop_map(Step::CutSoon),
        1 => (0..4_u8).prop_map(Step::FailSync),
        1 => (0..4_u8).prop_map(Step::FailWrite),
        1 => Just(Step::Kill),
        2 => loss.prop_map(Step::PowerCut),
        1 => Just(Step::Full),
        1 => Just(Step::Room),
    ]
}

/// Take one step; on a failure for good, restart as an operator would.
fn take(world: &mut World, step: &Step) {
    let done = match step {
        Step::Append(bytes) => world.append(usize::from(*bytes)),
        Step::Commit => world.commit(),
        Step::CommitWhileAppending(bytes) => world.commit_while_appending(usize::from(*bytes)),
        Step::Mark => world.mark(),
        Step::Prepare => world.prepare().map(|_| ()),
        Step::Kill => {
            world.disk.kill();
            reopen(world)
        }
        Step::PowerCut(loss) => {
            world.disk.power_cut(*loss);
            reopen(world)
        }
        _ => {
            plan(&world.disk, step);
            Ok(())
        }
    };
    match done {
        Ok(()) | Err(JournalError::NoRoom) => {}
        Err(JournalError::Failed(_)) => {
            world.disk.power_cut(Loss::Random);
            reopen(world).unwrap();
        }
        Err(other) => panic!("{other}"),
    }
}

/// Plan a fault, or change how much room there is.
fn plan(disk: &FakeDisk, step: &Step) {
    let now = disk.operations();
    match step {
        Step::CutSoon(n) => disk.cut_power_at(now.changes + u64::from(*n)),
        Step::FailSync(n) => disk.fail_sync(now.syncs + u64::from(*n)),
        Step::FailWrite(n) => disk.fail_write(now.writes + u64::from(*n)),
        Step::Full => disk.set_capacity(Some(3 * common::SEGMENT_BYTES)),
        Step::Room => disk.set_capacity(None),
        other => unreachable!("{other:?} is no plan"),
    }
}

/// Open until it works: faults that were planned may still strike meanwhile, and a full disk cannot
/// hold a new journal.
fn reopen(world: &mut World) -> Result<(), JournalError> {
    for _ in 0..4 {
        match world.open() {
            Err(JournalError::Storage(_) | JournalError::Failed(_)) => {
                world.disk.power_cut(Loss::Random);
                world.disk.set_capacity(None);
            }
            other => return other,
        }
    }
    world.open()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

    #[test]
    fn every_acknowledged_record_comes_back_and_nothing_else(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(FakeDisk::new(seed));
        world.open().unwrap();
        for step in &steps {
            take(&mut world, step);
        }
        world.disk.power_cut(Loss::Random);
        world.disk.set_capacity(None);
        world.open().unwrap();
        world.prepare().unwrap();
        world.prove();
    }
}
