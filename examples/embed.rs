//! The engine in twenty lines: one campaign, one hold, one payment.
//!
//! `cargo run -p onrush-examples --bin embed`
#![allow(clippy::print_stdout)]

use onrush::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(dir.path(), Options::default())?;
    let campaign = engine.put_campaign(CampaignSpec::new(
        Name::new("drop")?,
        Terms::open_now(Currency::CNY),
        vec![SkuSpec::new(Name::new("jacket")?, 129_900, 1_000)],
    ));
    let campaign = campaign.wait()?.granted().ok_or("refused")?;
    let ask = ReserveRequest::new(&campaign, "jacket", engine.buyer("ann"), "key-1");
    let hold = engine.reserve(&ask).wait()?.granted().ok_or("refused")?;
    println!("{} is {} until {:?}", hold.id, hold.state.as_str(), hold.expires_at);
    let paid = PaymentLine {
        provider: Name::new("bank")?,
        method: Name::new("card")?,
        reference: "tx-1".into(),
        money: hold.price,
    };
    let sale = engine.confirm(hold.seq, vec![paid], None).wait()?.granted().ok_or("refused")?;
    println!("{} is {} by record {}", sale.id, sale.state.as_str(), sale.lsn);
    engine.shutdown()?;
    Ok(())
}
