//! A program that embeds the gateway decides itself who may join.

use http::{HeaderMap, HeaderValue, Method};
use onrush::{
    CampaignSpec, Currency, Engine, LineTerms, Name, Options, Parts, Schedule, SkuSpec, Terms,
    Timestamp,
};
use onrush_gateway::{
    Answer, Applicant, Ask, Asking, Config, Eligibility, Gateway, Jitter, Reply, Side, Verdict,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Lets in whoever the shop did not write down.
#[derive(Debug, Default)]
struct NotBen(AtomicU32);

impl Eligibility for NotBen {
    fn ask(&self, applicant: Applicant) -> Asking {
        // Relaxed: counted and read on one thread.
        self.0.fetch_add(1, Ordering::Relaxed);
        assert_eq!((applicant.campaign.as_str(), applicant.tier.as_str()), ("drop", "everyone"));
        Box::pin(async move {
            // An answer that takes a while, as one over a network does.
            tokio::task::yield_now().await;
            let is_ben = applicant.buyer.as_deref() == Some("ben");
            Ok(if is_ben { Verdict::Refuse } else { Verdict::Admit { tier: None } })
        })
    }
}

fn engine(dir: &std::path::Path) -> Engine {
    let options = Options { segment_bytes: 1 << 20, ..Options::default() };
    let engine = Engine::open_with(Parts::on_disk(dir).expect("parts"), options).expect("engine");
    let name = |text| Name::new(text).expect("name");
    let mut terms = Terms::open_now(Currency::CNY);
    terms.schedule = Schedule { preheat_at: Some(Timestamp(1)), ..Schedule::default() };
    let put = engine.put_campaign(CampaignSpec {
        name: name("drop"),
        terms,
        skus: vec![SkuSpec::new(name("unit"), 100, 2)],
        line: Some(LineTerms::equal()),
        waitlist: None,
    });
    assert!(put.wait().expect("decided").granted().is_some());
    engine
}

#[test]
fn an_embedder_is_asked_once_for_each_buyer() {
    let dir = tempfile::tempdir().expect("folder");
    let engine = engine(dir.path());
    let mut config = Config::default();
    config.dev = true;
    let mine = Arc::new(NotBen::default());
    let gateway = Gateway::new(&config, engine.clone()).expect("gateway");
    let gateway = gateway.with_eligibility(mine.clone());
    let jitter = Jitter::new(7);
    let token = {
        let key = engine.derive_key("onrush dev admin token v1");
        key[..24].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let join = |buyer: &str| -> Answer {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("value");
        headers.append("authorization", bearer);
        headers.append("content-type", HeaderValue::from_static("application/json"));
        let body = format!("{{\"buyer\":\"{buyer}\"}}");
        let ask = Ask {
            side: Side::Public,
            method: &Method::POST,
            path: "/v1/campaigns/drop/tickets",
            query: None,
            headers: &headers,
            body: body.as_bytes(),
            peer: None,
            memo: None,
        };
        match gateway.handle(&ask, engine.now(), &jitter) {
            Reply::Wait(waiting) => waiting.wait().answer(&engine, &jitter),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(join("ann").status, 201);
    assert_eq!(join("ann").status, 200);
    assert_eq!(join("ben").code.map(|code| code.as_str()), Some("not_eligible"));
    assert_eq!(mine.0.load(Ordering::Relaxed), 2, "ann has a place, nobody is asked about her");
    engine.shutdown().expect("stops");
}
