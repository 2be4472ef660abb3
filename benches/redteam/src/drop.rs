//! One drop from the first probe to the last unit.
//!
//! Joining opens after a minute and lasts ten; then the line is drawn, people and programs are called
//! up in its order, reserve with their passes, and pay or do not. Whoever is asked for a challenge does
//! what its kind does. What happens at one moment happens in one order, so a seed repeats a drop.

use crate::scene::{Scene, Setting};
use crate::tally::{Outcome, Tally};
use crate::visitor::{Answering, Crowd, Visitor, between, skewed};
use crate::wire::{Answer, Request};
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use onrush::Campaign;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When joining opens, in milliseconds from the beginning.
pub const JOINING_MS: u64 = 60_000;

/// When the line is drawn and the sale opens.
pub const OPENS_MS: u64 = 660_000;

/// The sale is watched no longer than this.
const ENDS_MS: u64 = OPENS_MS + 2 * 3_600_000;

/// Once the sale is open, the line is looked at this often.
const TICK_MS: u64 = 1_000;

/// Weights of the draw: of everybody, and of who is weighted down.
const WEIGHTS: (u8, u8) = (255, 1);

/// Challenges that one visitor takes on for one thing.
const CHALLENGES_MAX: u8 = 3;

/// A drop to play.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The gateway's side of it.
    pub setting: Setting,
    /// Units for sale.
    pub units: u32,
    /// Decides what is left to chance.
    pub seed: u64,
}

/// What a visitor does next.
#[derive(Clone, Debug)]
enum Step {
    Join(Option<String>),
    Answer { challenge: String, answer: String, next: Next },
    Look,
    Reserve { pass: String, proof: Option<String> },
    Pay { reservation: String },
}

/// What a challenge stands before.
#[derive(Clone, Debug)]
enum Next {
    Join,
    Reserve { pass: String },
}

/// Where a visitor stands.
#[derive(Clone, Debug, Default)]
struct Stand {
    ticket: Option<String>,
    is_answering: bool,
    challenges: u8,
    retries: u8,
    was_asked: bool,
    held_at: u64,
}

struct Play<'a> {
    scene: Scene,
    campaign: Arc<Campaign>,
    crowd: &'a Crowd,
    stands: Vec<Stand>,
    steps: BTreeMap<(u64, u64), (usize, Step)>,
    sequence: u64,
    now: u64,
    dice: ChaCha8Rng,
    outcome: Outcome,
}

/// Play a drop.
///
/// # Errors
/// When the gateway does not start or stops answering.
pub fn play(crowd: &Crowd, plan: &Plan) -> Result<Outcome> {
    let mut scene = Scene::start(&plan.setting)?;
    scene.operate("PUT", "/admin/v1/campaigns/drop", &campaign(crowd, plan.units))?;
    let campaign = scene.engine().campaign("drop").context("no campaign")?;
    let mut play = Play {
        scene,
        campaign,
        crowd,
        stands: vec![Stand::default(); crowd.visitors.len()],
        steps: BTreeMap::new(),
        sequence: 0,
        now: 0,
        dice: ChaCha8Rng::seed_from_u64(plan.seed),
        outcome: Outcome::new(crowd, plan.units),
    };
    for (who, visitor) in crowd.visitors.iter().enumerate() {
        for at in &visitor.joins {
            play.later(*at, who, Step::Join(None));
        }
    }
    play.until(OPENS_MS)?;
    let queue = play.places()?;
    play.sell(&queue, plan.setting.defended)?;
    if plan.setting.defended {
        let path = "/admin/v1/campaigns/drop/risk";
        play.outcome.shown = play.scene.operate("GET", path, &Value::Null)?;
    }
    Ok(play.outcome)
}

fn campaign(crowd: &Crowd, units: u32) -> Value {
    let (everybody, light) = WEIGHTS;
    json!({
        "preheat_at": "2026-12-01T12:01:00Z", "opens_at": "2026-12-01T12:11:00Z",
        "closes_at": "2026-12-01T20:00:00Z", "hold": "3m", "limit_per_buyer": 1,
        "buyers_expected": crowd.visitors.len(),
        "skus": [{"sku": "unit", "price": 100, "supply": units}],
        "line": {"pass": "2m", "tiers": [
            {"name": "everyone", "weight": everybody},
            {"name": "later", "groups": ["nobody"], "weight": light},
        ]},
    })
}

impl Play<'_> {
    fn later(&mut self, at: u64, who: usize, step: Step) {
        self.sequence += 1;
        self.steps.insert((at.max(self.now), self.sequence), (who, step));
    }

    fn until(&mut self, end: u64) -> Result<()> {
        while let Some(entry) = self.steps.first_entry() {
            let (at, _) = *entry.key();
            if at > end {
                break;
            }
            let (who, step) = entry.remove();
            if at > self.now {
                self.now = at;
                self.scene.advance_to(at);
            }
            self.act(who, step)?;
        }
        self.now = end;
        self.scene.advance_to(end);
        Ok(())
    }

    /// Let everybody with a ticket look at their place.
    fn places(&mut self) -> Result<Vec<(u64, usize)>> {
        let mut queue = Vec::new();
        for who in 0..self.stands.len() {
            let Some(ticket) = self.stands[who].ticket.clone() else { continue };
            let seen = self.look(who, &ticket)?;
            let place = match seen.body["state"].as_str() {
                Some("waiting") => {
                    let serving = seen.body["now_serving"].as_u64().unwrap_or_default();
                    serving + seen.body["ahead"].as_u64().context("no place in the line")?
                }
                Some("served") => 0,
                _ => bail!("no place after the draw: {}", seen.body),
            };
            queue.push((place, who));
        }
        queue.sort_unstable();
        Ok(queue)
    }

    fn sell(&mut self, queue: &[(u64, usize)], defended: bool) -> Result<()> {
        let mut next = 0;
        let sku = self.campaign.sku("unit").context("no SKU")?.ix;
        for tick in 0.. {
            let line = self.scene.engine().line(&self.campaign).context("no line")?;
            while let Some((place, who)) = queue.get(next)
                && *place < u64::from(line.serving)
            {
                let reacts = self.crowd.visitors[*who].reacts_ms;
                let at = self.now + skewed(&mut self.dice, reacts);
                self.later(at, *who, Step::Look);
                next += 1;
            }
            let units = self.scene.engine().units(sku).context("no units")?;
            let is_sold = units.free == 0 && units.held == 0;
            let is_idle = next == queue.len() && self.steps.is_empty() && units.held == 0;
            if is_sold || is_idle || self.now >= ENDS_MS {
                return Ok(());
            }
            if defended && tick % 10 == 0 {
                self.scene.followed()?;
            }
            self.until(self.now + TICK_MS)?;
        }
        Ok(())
    }

    fn act(&mut self, who: usize, step: Step) -> Result<()> {
        match step {
            Step::Join(proof) => self.join(who, proof),
            Step::Answer { challenge, answer, next } => self.answer(who, &challenge, &answer, next),
            Step::Look => self.come_up(who),
            Step::Reserve { pass, proof } => self.reserve(who, pass, proof),
            Step::Pay { reservation } => self.pay(who, &reservation),
        }
    }

    fn tally(&mut self, who: usize) -> &mut Tally {
        &mut self.outcome.tallies[self.crowd.visitors[who].kind]
    }

    fn join(&mut self, who: usize, proof: Option<String>) -> Result<()> {
        let visitor = &self.crowd.visitors[who];
        let program = self.crowd.kinds[visitor.kind].is_program;
        let stand = &self.stands[who];
        // A program has what it wants; somebody who reloads a page does not know.
        if stand.is_answering || (program && stand.ticket.is_some()) {
            return Ok(());
        }
        let request = of(visitor, "POST", "/v1/campaigns/drop/tickets")
            .with("Onrush-Proof", proof.as_deref())
            .json("");
        let answer = self.send(who, &request)?;
        self.outcome.joins.push(who);
        match (answer.status, answer.code()) {
            (200 | 201, _) => {
                let is_first = self.stands[who].ticket.is_none();
                let ticket = answer.body["ticket"].as_str().context("no ticket")?;
                self.stands[who].ticket = Some(ticket.to_owned());
                self.stands[who].challenges = 0;
                if is_first {
                    let light = answer.body["tier"] == "later";
                    let tally = self.tally(who);
                    tally.tickets += 1;
                    tally.light += u32::from(light);
                }
                Ok(())
            }
            (_, "challenge_required") => self.asked(who, &answer, Next::Join),
            (_, "refused_risk") => {
                self.tally(who).refused += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Do what this visitor does with a challenge.
    fn asked(&mut self, who: usize, refusal: &Answer, next: Next) -> Result<()> {
        if !std::mem::replace(&mut self.stands[who].was_asked, true) {
            self.tally(who).challenged += 1;
        }
        let visitor = &self.crowd.visitors[who];
        let stand = &mut self.stands[who];
        if visitor.answering == Answering::Never || stand.challenges >= CHALLENGES_MAX {
            return Ok(());
        }
        stand.challenges += 1;
        stand.is_answering = true;
        let kind = if visitor.answering == Answering::Waits { "wait" } else { "work" };
        let body = json!({"kind": kind, "level": level(refusal)}).to_string();
        let request = of(visitor, "POST", "/v1/campaigns/drop/challenges").json(&body);
        let issued = self.send(who, &request)?.body;
        let challenge = issued["challenge"].as_str().context("no challenge")?.to_owned();
        let (answer, after) = match visitor.answering {
            Answering::Solves(least, most) => {
                let bits = issued["zero_bits"].as_u64().context("no puzzle")? as u32;
                let (answer, hashes) = solve(&challenge, bits);
                let tally = self.tally(who);
                tally.solved += 1;
                tally.hashes += hashes;
                (answer, between(&mut self.dice, (least, most)))
            }
            Answering::Waits | Answering::Never => {
                self.tally(who).waited += 1;
                (String::new(), issued["wait_ms"].as_u64().context("no wait")?)
            }
        };
        self.later(self.now + after, who, Step::Answer { challenge, answer, next });
        Ok(())
    }

    fn answer(&mut self, who: usize, challenge: &str, answer: &str, next: Next) -> Result<()> {
        self.stands[who].is_answering = false;
        let visitor = &self.crowd.visitors[who];
        let body = json!({"challenge": challenge, "answer": answer}).to_string();
        let request = of(visitor, "POST", "/v1/campaigns/drop/challenges").json(&body);
        let told = self.send(who, &request)?;
        let proof = told.body["proof"].as_str().map(str::to_owned);
        match next {
            Next::Join => self.join(who, proof),
            Next::Reserve { pass } => self.reserve(who, pass, proof),
        }
    }

    fn look(&mut self, who: usize, ticket: &str) -> Result<Answer> {
        let path = format!("/v1/campaigns/drop/tickets/{ticket}");
        let request = of(&self.crowd.visitors[who], "GET", &path).json("");
        self.send(who, &request)
    }

    /// Take the pass and use it.
    fn come_up(&mut self, who: usize) -> Result<()> {
        let Some(ticket) = self.stands[who].ticket.clone() else { return Ok(()) };
        let seen = self.look(who, &ticket)?;
        match seen.body["pass"].as_str() {
            Some(pass) => self.reserve(who, pass.to_owned(), None),
            None => Ok(()),
        }
    }

    fn reserve(&mut self, who: usize, pass: String, proof: Option<String>) -> Result<()> {
        let visitor = &self.crowd.visitors[who];
        let (lat, lon) = visitor.place;
        let body = json!({"sku": "unit", "destination": {"lat": lat, "lon": lon, "crs": "wgs84"}});
        let request = of(visitor, "POST", "/v1/campaigns/drop/reservations")
            .header("Idempotency-Key", "1")
            .header("Onrush-Pass", &pass)
            .with("Onrush-Proof", proof.as_deref())
            .json(&body.to_string());
        let answer = self.send(who, &request)?;
        match (answer.status, answer.code()) {
            (200 | 201, _) => self.held(who, &answer.body),
            (_, "challenge_required") => self.asked(who, &answer, Next::Reserve { pass }),
            (_, "limit_reached") => {
                self.tally(who).capped += 1;
                Ok(())
            }
            (_, "refused_risk") => {
                self.tally(who).refused += 1;
                Ok(())
            }
            (_, "all_held") if self.stands[who].retries < 10 => {
                self.stands[who].retries += 1;
                self.later(self.now + 5_000, who, Step::Reserve { pass, proof });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn held(&mut self, who: usize, body: &Value) -> Result<()> {
        let id = body["id"].as_str().context("no id")?.to_owned();
        self.tally(who).held += 1;
        self.stands[who].held_at = self.now;
        if body["state"] == "review" {
            self.tally(who).reviewed += 1;
            // Nobody who looks is modelled: whatever comes to a look goes on.
            let path = format!("/admin/v1/reservations/{id}/judge");
            let judged = json!({"accept": true, "reason": "looked at"});
            self.scene.operate("POST", &path, &judged)?;
        }
        match self.crowd.visitors[who].pays_ms {
            Some(pays) => {
                let at = self.now + between(&mut self.dice, pays);
                self.later(at, who, Step::Pay { reservation: id });
            }
            None => {
                let until = body["expires_at"].as_str().and_then(of_day_ms);
                let until = until.context("no end of the hold")?;
                let held = until.saturating_sub(self.now);
                self.tally(who).held_ms += held;
            }
        }
        Ok(())
    }

    fn pay(&mut self, who: usize, reservation: &str) -> Result<()> {
        let path = format!("/admin/v1/reservations/{reservation}/confirm");
        let line =
            json!({"method": "card", "amount": 100, "currency": "CNY", "reference": reservation});
        let paid = self.scene.operate("POST", &path, &json!({"payments": [line]}));
        let held = self.now - self.stands[who].held_at;
        let tally = self.tally(who);
        tally.held_ms += held;
        // A hold that was shortened may be over.
        tally.sold += u32::from(paid.is_ok_and(|body| body["state"] == "sold"));
        Ok(())
    }

    fn send(&mut self, who: usize, request: &[u8]) -> Result<Answer> {
        self.tally(who).requests += 1;
        self.scene.ask(request)
    }
}

/// Begin a request of somebody, as it comes out of the proxy in front.
fn of(visitor: &Visitor, method: &str, path: &str) -> Request {
    let look = visitor.look;
    let all = look.headers().iter();
    all.fold(Request::new(method, path), |request, (name, value)| request.header(name, value))
        .header("X-Onrush-Buyer", &visitor.account)
        .with("Onrush-Device", visitor.device.as_deref())
        .header("X-Forwarded-For", &visitor.address)
        .header("X-JA4", look.ja4())
        .with("X-Card", visitor.card.as_deref())
        .with("X-Phone", visitor.phone.as_deref())
}

/// Read the level that a refusal asks for.
fn level(refusal: &Answer) -> u64 {
    let detail = refusal.body["detail"].as_str().unwrap_or_default();
    let after = detail.split("level ").nth(1).and_then(|text| text.chars().next());
    after.and_then(|digit| digit.to_digit(10)).map_or(1, u64::from)
}

/// Find an answer to a work puzzle; return it and how many hashes it took.
fn solve(challenge: &str, bits: u32) -> (String, u64) {
    let begun = Sha256::new().chain_update(challenge);
    let is_found = |n: &u64| {
        let hash = begun.clone().chain_update(n.to_le_bytes()).finalize();
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]).leading_zeros() >= bits
    };
    let found = (0u64..).find(is_found).expect("there is no end of numbers");
    (URL_SAFE_NO_PAD.encode(found.to_le_bytes()), found + 1)
}

/// Return how long after the beginning of the drop a time of its day is.
fn of_day_ms(text: &str) -> Option<u64> {
    let (_, clock) = text.split_once('T')?;
    let mut parts = clock.trim_end_matches('Z').split([':', '.']);
    let mut next = || parts.next()?.parse::<u64>().ok();
    let (hours, minutes, seconds, ms) = (next()?, next()?, next()?, next().unwrap_or(0));
    (((hours.checked_sub(12)? * 60 + minutes) * 60 + seconds) * 1_000).checked_add(ms)
}
