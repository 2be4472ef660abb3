//! How the scenario tables are read, and how answers are told in their words.

use super::*;

impl World {
    pub(super) fn words_of(&self, answer: &Answer) -> Vec<String> {
        let told = match answer {
            Answer::Done(Subject::Reservation(seq)) => self.state_of(*seq).to_owned(),
            Answer::Done(Subject::Wish(_, number)) => format!("wish {number}"),
            Answer::Already(Subject::Wish(_, number)) => format!("already wish {number}"),
            Answer::Done(Subject::Extended(count)) => format!("extended {count}"),
            Answer::Done(_) => "done".to_owned(),
            Answer::Already(Subject::Reservation(seq)) => {
                format!("already {} {}", self.label(*seq), self.state_of(*seq))
            }
            Answer::Already(_) => "already".to_owned(),
            Answer::Refused(refusal) => {
                let more = match refusal {
                    Refusal::LimitReached { limit } => format!(" {limit}"),
                    Refusal::SoldOut { free }
                    | Refusal::AllHeld { free }
                    | Refusal::UnitsFree { free } => {
                        format!(" free {free}")
                    }
                    Refusal::NotOpen { opens_at: Some(at) } => {
                        format!(" until {}", since_start(*at))
                    }
                    // The field, or the whole sentence where it names none.
                    Refusal::Invalid(what) => match what.split_once(':') {
                        Some((field, _)) if !field.contains(' ') => format!(" {field}"),
                        _ => format!(" {what}"),
                    },
                    _ => String::new(),
                };
                return vec!["refused".to_owned(), format!("{}{more}", refusal.code())];
            }
        };
        vec![told]
    }

    pub(super) fn words_of_change(&self, change: &Change) -> String {
        match change {
            Change::Expired { seq } => format!("expired {}", self.label(*seq)),
            Change::Phase { campaign, to, by: None } => {
                let name = &self.ledger.campaigns()[campaign.index()].name;
                format!("phase {name} {}", to.as_str())
            }
            Change::Supplied { sku, units, source: Source::Wave(n) } => {
                format!("wave {n} {} {units}", self.ledger.skus()[sku.index()].name)
            }
            Change::Wait(WaitChange::Offered(offered)) => {
                let (units, seconds) = (offered.wish.quantity, since_start(offered.expires_at));
                format!("offered {} x {units} until {seconds}", self.label(offered.seq))
            }
            Change::Wait(WaitChange::Skipped { sku, number }) => {
                let wish = self.ledger.wait_queue(*sku).and_then(|queue| queue.wish(*number));
                format!("skipped {}", self.buyers[&wish.expect("the first in line").buyer])
            }
            Change::Served { through, .. } => format!("through {through}"),
            other => panic!("nothing else falls due with time: {other:?}"),
        }
    }

    pub(super) fn new_refunds(&mut self) -> Vec<String> {
        let new = &self.ledger.refunds()[self.refunds_told..];
        let told = new.iter().map(|due| match due.currency {
            Currency::CNY => format!("due {}", due.amount),
            other => format!("due {} {other}", due.amount),
        });
        let told = told.collect();
        self.refunds_told = self.ledger.refunds().len();
        told
    }

    pub(super) fn units(&self, sku: &str) -> String {
        let u = self.ledger.skus()[self.sku_ix(sku).index()].units();
        let (free, held, sold, withdrawn) = (u.free, u.held, u.sold, u.withdrawn);
        format!("free {free} held {held} sold {sold} withdrawn {withdrawn} of {}", u.supplied)
    }

    /// Tell who waits for a SKU, in order.
    pub(super) fn waiting(&self, sku: &str) -> String {
        let queue = self.ledger.wait_queue(self.sku_ix(sku));
        let wishes = queue.into_iter().flat_map(|queue| queue.iter());
        let told: Vec<String> = wishes
            .map(|wish| match wish.quantity.get() {
                1 => self.buyers[&wish.buyer].clone(),
                units => format!("{} x {units}", self.buyers[&wish.buyer]),
            })
            .collect();
        if told.is_empty() { "nobody".to_owned() } else { told.join(", ") }
    }

    pub(super) fn buyer(&mut self, name: &str) -> BuyerDigest {
        let digest = buyer(name);
        self.buyers.insert(digest, name.to_owned());
        digest
    }

    /// Name an offer after buyer and SKU: `B.S1`, then `B.S1.2`, …
    pub(super) fn label_offer(&mut self, offered: &Offered) {
        let sku = &self.ledger.skus()[offered.sku.index()].name;
        let first = format!("{}.{sku}", self.buyers[&offered.wish.buyer]);
        let later = (2..).map(|n| format!("{first}.{n}"));
        let mut names = std::iter::once(first.clone()).chain(later);
        let name = names.find(|name| !self.labels.contains_key(name)).expect("endless");
        self.labels.insert(name, offered.seq);
    }

    pub(super) fn phase(&self, campaign: &str) -> String {
        let c = &self.ledger.campaigns()[self.campaign_ix(campaign).index()];
        let now = self.now.max(self.ledger.stamp());
        assert_eq!(c.reached, phase_at(&c.terms.schedule, c.reached, now), "due switches are done");
        c.reached.as_str().to_owned()
    }

    pub(super) fn state(&self, label: &str) -> String {
        let seq = self.seq(label);
        let paid = self.ledger.paid_towards(seq);
        let r = self.ledger.reservation(seq).expect("labelled");
        format!("{} paid {paid} of {}", r.state.as_str(), r.amount)
    }

    fn state_of(&self, seq: ReservationSeq) -> &'static str {
        self.ledger.reservation(seq).expect("answered").state.as_str()
    }

    fn label(&self, seq: ReservationSeq) -> &str {
        let found = self.labels.iter().find(|(_, known)| **known == seq);
        found.map_or("unlabelled", |(label, _)| label)
    }

    /// Return the reservation with this label; `none` stands for one that does not exist.
    pub(super) fn seq(&self, label: &str) -> ReservationSeq {
        let unknown = ReservationSeq(u32::MAX - 1);
        if label == "none" { unknown } else { self.labels[label] }
    }

    pub(super) fn sku_ix(&self, name: &str) -> SkuIx {
        let at = self.ledger.skus().iter().position(|sku| sku.name.as_str() == name);
        SkuIx(at.unwrap_or_else(|| panic!("no SKU {name}")) as u32)
    }

    pub(super) fn campaign_ix(&self, name: &str) -> CampaignIx {
        self.ledger.campaign_named(name).unwrap_or_else(|| panic!("no campaign {name}"))
    }
}

/// The words of one line that are not read yet.
pub(super) struct Words<'a>(pub(super) VecDeque<&'a str>);

impl<'a> Words<'a> {
    pub(super) fn front(&self) -> &'a str {
        self.0.front().copied().unwrap_or_default()
    }
    pub(super) fn next(&mut self) -> &'a str {
        self.0.pop_front().expect("one more word")
    }
    /// Skip the keyword and return the word behind it.
    pub(super) fn value(&mut self) -> &'a str {
        self.next();
        self.next()
    }
    pub(super) fn option(&mut self, keyword: &str) -> Option<&'a str> {
        (self.front() == keyword).then(|| self.value())
    }
    pub(super) fn number(&mut self) -> i64 {
        let word = self.next();
        word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
    }
    pub(super) fn time(&mut self) -> u64 {
        ms(self.next())
    }
    /// Who and why: the table's author, unless the line says `unsigned`.
    pub(super) fn by(&mut self) -> By {
        let unsigned = self.front() == "unsigned";
        if unsigned {
            self.next();
        }
        By::new("scenario", if unsigned { "" } else { "the table says so" })
    }
    pub(super) fn rest(self) -> String {
        Vec::from(self.0).join(" ")
    }
}

pub(super) fn ms(text: &str) -> u64 {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0));
    let n: u64 = digits.parse().unwrap_or_else(|_| panic!("{text} is no time"));
    match unit {
        "ms" => n,
        "s" => n * 1_000,
        "m" => n * 60_000,
        _ => panic!("{text} is no time: use ms, s or m"),
    }
}

pub(super) fn moment(text: &str) -> Option<Timestamp> {
    match text {
        "never" => None,
        "epoch" => Some(Timestamp(0)),
        _ => Some(START + DurationMs(ms(text))),
    }
}

pub(super) fn since_start(at: Timestamp) -> String {
    let ms = at.since(START).0;
    if ms.is_multiple_of(1_000) { format!("{}s", ms / 1_000) } else { format!("{ms}ms") }
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap_or_else(|e| panic!("{e}"))
}

pub(super) fn phase(text: &str) -> Phase {
    let found = Phase::ALL.into_iter().find(|phase| phase.as_str() == text);
    found.unwrap_or_else(|| panic!("no phase {text}"))
}

/// FNV-1a: equal texts, equal digests; nothing here is secret.
pub(super) fn key_digest(text: &str) -> KeyDigest {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    KeyDigest(text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

pub(super) fn buyer(text: &str) -> BuyerDigest {
    let KeyDigest(half) = key_digest(text);
    let bytes = (u128::from(half) << 64 | u128::from(half.rotate_left(17))).to_le_bytes();
    BuyerDigest(bytes)
}
