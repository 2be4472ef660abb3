//! Sales to measure with.

use onrush::{
    BuyerDigest, Campaign, CampaignSpec, Currency, Driver, Engine, Name, Options, Parts,
    ReserveRequest, SkuSpec, Terms,
};
use std::path::Path;
use std::sync::Arc;

/// Return options with room for `in_flight` reserves and without snapshots.
pub(crate) fn options(in_flight: u32) -> Options {
    Options { reserves_max: in_flight, snapshot_every: None, ..Options::default() }
}

/// Return a campaign of one SKU with `supply` units for `buyers` buyers, one each.
pub(crate) fn spec(buyers: u32, supply: u32) -> CampaignSpec {
    CampaignSpec::new(
        Name::new("bench").expect("name"),
        Terms { buyers_expected: buyers, ..Terms::open_now(Currency::CNY) },
        vec![SkuSpec::new(Name::new("unit").expect("name"), 100, supply)],
    )
}

/// Open an engine with threads and put the campaign.
pub(crate) fn threaded(
    dir: &Path,
    options: Options,
    spec: CampaignSpec,
) -> (Engine, Arc<Campaign>) {
    let engine = Engine::open(dir, options).expect("open");
    let put = engine.put_campaign(spec).wait().expect("put");
    (engine, put.granted().expect("granted"))
}

/// Open an engine without threads and put the campaign.
pub(crate) fn driven(
    dir: &Path,
    options: Options,
    spec: CampaignSpec,
) -> (Engine, Driver, Arc<Campaign>) {
    let parts = Parts::on_disk(dir).expect("parts");
    let (engine, mut driver) = Engine::open_driven(parts, options).expect("open");
    let put = engine.put_campaign(spec);
    driver.settle();
    let campaign = put.wait().expect("put").granted().expect("granted");
    (engine, driver, campaign)
}

/// Return buyer number `n`, spread like a keyed digest.
pub(crate) fn buyer(n: u64) -> BuyerDigest {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let (low, high) = (mix(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)), mix(!n));
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&low.to_le_bytes());
    digest[8..].copy_from_slice(&high.to_le_bytes());
    BuyerDigest(digest)
}

/// Return a request of `buyer` for one unit.
pub(crate) fn ask(campaign: &Campaign, buyer: BuyerDigest) -> ReserveRequest<'_> {
    ReserveRequest::new(campaign, "unit", buyer, "k")
}
