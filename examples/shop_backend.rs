//! A shop's back end: it reserves for a buyer, takes money, confirms, and follows the journal to
//! hand orders over. It shows what happens to a payment that comes in two parts, twice, and late.
//!
//! `cargo run -p onrush-examples --bin shop-backend`
#![allow(clippy::print_stdout)]

use onrush::ledger::Change;
use onrush::*;
use std::time::Duration;

fn payment(reference: &str, method: &str, amount: i64) -> Result<PaymentLine, NameError> {
    let money = Money { amount, currency: Currency::CNY };
    let (provider, method) = (Name::new("shop")?, Name::new(method)?);
    Ok(PaymentLine { provider, method, reference: reference.into(), money })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(dir.path(), Options::default())?;
    let put = engine.put_campaign(CampaignSpec::new(
        Name::new("drop")?,
        Terms { hold: DurationMs::from_secs(1), ..Terms::open_now(Currency::CNY) },
        vec![SkuSpec::new(Name::new("jacket")?, 1_000, 2)],
    ));
    let campaign = put.wait()?.granted().ok_or("refused")?;

    // Ann pays with points and a card; the shop sends the second notice twice.
    let ask = ReserveRequest::new(&campaign, "jacket", engine.buyer("ann"), "order-1");
    let ann = engine.reserve(&ask).wait()?.granted().ok_or("refused")?;
    let points = engine.confirm(ann.seq, vec![payment("p-1", "points", 300)?], None);
    println!(
        "after the points Ann's is {}",
        points.wait()?.granted().ok_or("refused")?.state.as_str()
    );
    for _ in 0..2 {
        let card = engine.confirm(ann.seq, vec![payment("c-1", "card", 700)?], None);
        println!(
            "after the card it is {}",
            card.wait()?.granted().ok_or("refused")?.state.as_str()
        );
    }

    // Ben's money comes after his hold expired. The sale is open and a unit is free: he gets it.
    let ask = ReserveRequest::new(&campaign, "jacket", engine.buyer("ben"), "order-2");
    let ben = engine.reserve(&ask).wait()?.granted().ok_or("refused")?;
    let mut events = engine.events(Lsn(1))?;
    while engine.look(ben.seq).ok_or("gone")?.state != State::Expired {
        events.next(Duration::from_millis(100))?;
    }
    let late = engine.confirm(ben.seq, vec![payment("c-2", "card", 1_000)?], None);
    println!(
        "after late money Ben's is {}",
        late.wait()?.granted().ok_or("refused")?.state.as_str()
    );

    // Orders for the warehouse: every sale in the journal, in order, each once.
    let mut events = engine.events(Lsn(1))?;
    while let Some((lsn, record)) = events.next(Duration::ZERO)? {
        if let Change::Paid(paid) = record.change
            && paid.outcome != ledger::PaidOutcome::Partial
        {
            println!("record {lsn}: ship {} ({:?})", engine.id_of(paid.seq), paid.outcome);
        }
    }
    engine.shutdown()?;
    Ok(())
}
