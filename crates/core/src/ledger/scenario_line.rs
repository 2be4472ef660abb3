//! The words of the scenario tables about the line. The world does what the engine would: it draws by
//! the plain rule and keeps everybody's place.

use super::words::*;
use super::*;
use crate::line::draw::recompute;
use crate::line::outflow::Outflow;
use crate::line::terms::{LineTerms, Tier};
use crate::line::{Pseudonyms, Turn};

/// What the world keeps about the lines of its campaigns.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) terms: BTreeMap<String, LineTerms>,
    places: BTreeMap<(CampaignIx, u32), u32>,
}

impl World {
    /// Do what a word about the line says.
    pub(super) fn line_word(&mut self, word: &str, w: &mut Words<'_>) -> Vec<String> {
        match word {
            "line" => self.put_line(w),
            "join" => self.join(w),
            "draw" => self.draw(w),
            "serve" => self.serve(w),
            "return" => self.come_back(w),
            "outflow" => self.outflow(w),
            "value" => self.public_value(w),
            "queue" => vec![self.queue_of(w.next())],
            "place" => vec![self.place_of(w)],
            word => panic!("no such word: {word}"),
        }
    }

    /// `line C [tier NAME WEIGHT AFTER [of GROUP]]… [pass T] [grace T] [source S] [invited] [outflow]`
    fn put_line(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let name = w.next();
        let known = self.waiting.terms.get(name).cloned();
        let mut line = known.clone().unwrap_or_else(LineTerms::equal);
        let mut tiers = Vec::new();
        loop {
            match w.front() {
                "tier" => {
                    let (name, weight) = (self::name(w.value()), w.number() as u8);
                    let after = DurationMs(w.time());
                    tiers.push(Tier { name, groups: Vec::new(), weight, after });
                }
                "pass" => line.pass = DurationMs(ms(w.value())),
                "grace" => line.grace = DurationMs(ms(w.value())),
                "source" => line.public_value_source = w.value().to_owned(),
                "invited" => {
                    w.next();
                    line.invite_only = true;
                }
                _ if outflow_word(w, &mut line.outflow) => {}
                _ => break,
            }
        }
        if !tiers.is_empty() {
            line.tiers = tiers;
        }
        let plain = || (World::plain_terms(), None);
        let (terms, waitlist) = self.terms.get(name).cloned().unwrap_or_else(plain);
        let spec = CampaignSpec {
            waitlist,
            line: Some(line.clone()),
            ..CampaignSpec::new(self::name(name), terms.clone(), vec![])
        };
        let told = self.act(Action::Put(Box::new(spec)));
        if told[0] != "refused" {
            self.waiting.terms.insert(name.to_owned(), line);
            self.terms.insert(name.to_owned(), (terms, waitlist));
        }
        told
    }

    /// `join A in C [class N]`
    fn join(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let (buyer, campaign) = (buyer(w.next()), self.campaign_ix(w.value()));
        let class = w.option("class").map_or(0, |n| n.parse().expect("a class"));
        let told = self.act(Action::Join { campaign, buyer, class });
        let ticket = self.ledger.line(campaign).and_then(|line| line.ticket_of(buyer));
        match ticket {
            Some(number) if told[0] != "refused" => {
                let row = self.ledger.line(campaign).and_then(|line| line.ticket(number));
                let row = row.expect("a ticket");
                if let Some(place) = row.place {
                    self.waiting.places.insert((campaign, number.0), place);
                }
                vec![format!("{} ticket {number} lane {}", told.join(" "), row.lane)]
            }
            _ => told,
        }
    }

    /// `draw C LANE [seeded N]`: by the rule, or with another seed than was promised.
    fn draw(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let (campaign, lane) = (self.campaign_ix(w.next()), w.number() as u8);
        let seed = w.option("seeded").map_or(lane, |n| n.parse().expect("a seed"));
        let seed = self::seed(seed);
        let line = self.ledger.line(campaign).expect("a line");
        let pseudonyms = Pseudonyms::new(&[3; 32]);
        let count = line.lanes[usize::from(lane)].participants;
        let tickets = (0..line.joined()).filter_map(|n| Some((n, line.ticket(TicketNo(n))?)));
        let in_lane = tickets.filter(|(_, row)| row.lane == lane).take(count as usize);
        let rows: Vec<_> = in_lane.collect();
        let list: Vec<_> = rows.iter().map(|(_, r)| (pseudonyms.of(r.buyer), r.class)).collect();
        let value = line.lanes[usize::from(lane)].public_value.clone();
        let weights = line.terms.weights();
        let drawing = recompute(&seed, value.as_deref(), &list, weights).expect("a list");
        assert_eq!(drawing.turn, Turn::of(drawing.list_digest, value.as_deref()));
        let (list_digest, turn) = (drawing.list_digest, drawing.turn);
        let facts = DrawFacts { lane, count, list_digest, turn, seed };
        let base = line.base(usize::from(lane));
        for ((number, _), rank) in rows.iter().zip(drawing.ranks()) {
            self.waiting.places.insert((campaign, *number), base + rank);
        }
        self.act(Action::Draw { campaign, facts })
    }

    /// `serve C [health N]`: call up who is to be called up now.
    fn serve(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let campaign = self.campaign_ix(w.next());
        let health = w.option("health").map_or(1_000, |n| n.parse().expect("thousandths"));
        match self.ledger.due_served(campaign, health, self.now) {
            None => vec!["nobody".to_owned()],
            Some(change) => {
                let Change::Served { through, returned, .. } = change else {
                    panic!("people are called up by {change:?}")
                };
                self.record(change);
                let again = if returned > 0 { format!(" again {returned}") } else { String::new() };
                vec![format!("through {through}{again}")]
            }
        }
    }

    /// `return A in C`
    fn come_back(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let (buyer, campaign) = (buyer(w.next()), self.campaign_ix(w.value()));
        let pass = self.pass_of(campaign, buyer);
        self.act(Action::Return { campaign, number: pass.number, place: pass.place })
    }

    /// `outflow C [rate N] [inside N] [most N]`: what is not named is not limited.
    fn outflow(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let campaign = self.campaign_ix(w.next());
        let mut outflow = Outflow::default();
        while outflow_word(w, &mut outflow) {}
        self.act(Action::SetOutflow { campaign, outflow, by: w.by() })
    }

    /// `value C LANE TEXT`
    fn public_value(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let (campaign, lane) = (self.campaign_ix(w.next()), w.number() as u8);
        let value = w.next().to_owned();
        self.act(Action::SetPublicValue { campaign, lane, value, by: w.by() })
    }

    /// `queue C`: how far it is, and how many passes are out.
    fn queue_of(&self, campaign: &str) -> String {
        let ix = self.campaign_ix(campaign);
        let line = self.ledger.line(ix).expect("a line");
        let limit = self.ledger.campaigns()[ix.index()].terms.limit_per_buyer;
        let (out, most) = (line.outstanding(self.now), line.passes_max(limit, self.now));
        format!("serving {} of {} out {out} most {most}", line.served(), line.servable())
    }

    /// `place A in C`: where a ticket stands.
    fn place_of(&self, w: &mut Words<'_>) -> String {
        let (buyer, campaign) = (buyer(w.next()), self.campaign_ix(w.value()));
        let line = self.ledger.line(campaign).expect("a line");
        let pass = self.pass_of(campaign, buyer);
        let ticket = line.ticket(pass.number).expect("a ticket");
        if ticket.used {
            return format!("{} used", pass.place);
        }
        let standing = match line.called(pass.place, self.now) {
            None => "waits".to_owned(),
            Some(Called::Up { until }) => format!("up until {}", since_start(until)),
            Some(Called::PassedOver { until }) => format!("over until {}", since_start(until)),
            Some(Called::Lost) => "lost".to_owned(),
        };
        format!("{} {standing}", pass.place)
    }

    pub(super) fn pass_of(&self, campaign: CampaignIx, buyer: BuyerDigest) -> PassUse {
        let line = self.ledger.line(campaign).expect("a line");
        let number = line.ticket_of(buyer).unwrap_or(TicketNo(u32::MAX - 1));
        let place = self.waiting.places.get(&(campaign, number.0)).copied();
        PassUse { number, place: place.unwrap_or(u32::MAX - 1) }
    }
}

/// Read one limit of an outflow, if one comes.
fn outflow_word(w: &mut Words<'_>, outflow: &mut Outflow) -> bool {
    let limit = |w: &mut Words<'_>| w.value().parse().expect("a number");
    match w.front() {
        "rate" => outflow.per_second = Some(limit(w)),
        "inside" => outflow.inside = Some(limit(w)),
        "most" => outflow.passes_per_unit_max = limit(w),
        _ => return false,
    }
    true
}
