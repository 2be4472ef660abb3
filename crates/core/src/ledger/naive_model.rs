//! The rules of the ledger once more, as plainly as they can be said: lists, loops, no indexes, no
//! running totals, no records. Shares no code with the ledger it is compared with.
//!
//! For checkers: the ledger's own tests and the simulator compare with it. Nothing else uses it.

use crate::phase::Phase;

#[derive(Clone, Debug)]
pub struct Camp {
    pub opens: u64,
    pub closes: u64,
    /// From when nobody joins the draw of its line.
    pub draw: u64,
    /// (when, SKU, units); those that came are taken off.
    pub waves: Vec<(u64, usize, u32)>,
    pub limit: u32,
    pub hold: u64,
    pub phase: Phase,
}

#[derive(Clone, Debug)]
pub struct Sku {
    pub camp: usize,
    pub price: i64,
    pub limit: u32,
    pub supplied: u32,
    pub withdrawn: u32,
}

#[derive(Clone, Debug)]
pub struct Res {
    pub sku: usize,
    pub buyer: u8,
    pub units: u32,
    pub key: (u64, u32),
    pub state: &'static str,
    /// Held for a look, and not accepted.
    pub unaccepted: bool,
    pub amount: i64,
    pub expires: u64,
    pub lines: Vec<Line>,
    pub confirm_keys: Vec<(u64, u32)>,
    pub release_key: Option<(u64, u32)>,
}

/// A payment: reference, amount, whether it is of another currency, how much went back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub reference: u8,
    pub amount: i64,
    pub foreign: bool,
    pub back: i64,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub now: u64,
    pub camps: Vec<Camp>,
    pub skus: Vec<Sku>,
    pub res: Vec<Res>,
    /// (reservation, line, amount, paid out)
    pub refunds: Vec<(usize, usize, i64, bool)>,
}

pub type Key = Option<(u64, u32)>;

impl Camp {
    /// Return the phase at `now`: what was reached, or what the plan says if that is later.
    pub fn phase_at(&self, now: u64) -> Phase {
        if now >= self.closes && self.phase < Phase::Closed {
            Phase::Closed
        } else if now >= self.opens && self.phase < Phase::Open {
            Phase::Open
        } else if now >= self.draw && self.phase < Phase::Draw {
            Phase::Draw
        } else {
            self.phase
        }
    }
}

impl Model {
    fn units(&self, sku: usize, states: &[&str]) -> u32 {
        let of = |r: &&Res| r.sku == sku && states.contains(&r.state);
        self.res.iter().filter(of).map(|r| r.units).sum()
    }
    /// Return free, held, sold, withdrawn and supplied units.
    pub fn figures(&self, sku: usize) -> [u32; 5] {
        let held = self.units(sku, &["held", "review"]);
        let sold = self.units(sku, &["sold"]);
        let Sku { supplied, withdrawn, .. } = self.skus[sku];
        [supplied - held - sold - withdrawn, held, sold, withdrawn, supplied]
    }
    pub fn camp_of(&self, sku: usize) -> &Camp {
        &self.camps[self.skus[sku].camp]
    }
    pub fn of_buyer(&self, camp: usize, buyer: u8) -> impl Iterator<Item = (usize, &Res)> {
        let all = self.res.iter().enumerate();
        all.filter(move |(_, r)| r.buyer == buyer && self.skus[r.sku].camp == camp)
    }
    pub fn over_limit(&self, sku: usize, buyer: u8, units: u32) -> Option<u32> {
        let owned = |only: Option<usize>| -> u32 {
            let live = |r: &Res| ["held", "review", "sold"].contains(&r.state);
            let mine = self.of_buyer(self.skus[sku].camp, buyer).map(|(_, r)| r);
            mine.filter(|r| live(r) && only.is_none_or(|s| s == r.sku)).map(|r| r.units).sum()
        };
        let (limit, sku_limit) = (self.camp_of(sku).limit, self.skus[sku].limit);
        let over = (owned(None) + units > limit).then_some(limit);
        over.or((owned(Some(sku)) + units > sku_limit).then_some(sku_limit))
    }
    pub fn tell(&self, how: &str, n: usize) -> String {
        format!("{how} {n} {}", self.res[n].state)
    }

    pub fn reserve(
        &mut self,
        sku: usize,
        buyer: u8,
        units: u32,
        key: (u64, u32),
        review: bool,
    ) -> String {
        let camp = self.skus[sku].camp;
        if let Some((n, r)) = self.of_buyer(camp, buyer).find(|(_, r)| r.key.0 == key.0) {
            return if r.key == key { self.tell("already", n) } else { "key_reused".into() };
        }
        let c = &self.camps[camp];
        match c.phase {
            Phase::Open => {}
            Phase::Paused => return "paused".into(),
            Phase::Closed | Phase::Settled => return "ended".into(),
            _ => return "not_open".into(),
        }
        if let Some(limit) = self.over_limit(sku, buyer, units) {
            return format!("limit_reached {limit}");
        }
        if self.of_buyer(camp, buyer).count() == 16 {
            return "limit_reached 16".into();
        }
        let [free, held, ..] = self.figures(sku);
        if free < units {
            return format!("{} {free}", if held > 0 { "all_held" } else { "sold_out" });
        }
        self.res.push(Res {
            sku,
            buyer,
            units,
            key,
            state: if review { "review" } else { "held" },
            unaccepted: review,
            amount: self.skus[sku].price * i64::from(units),
            expires: self.now + c.hold,
            lines: vec![],
            confirm_keys: vec![],
            release_key: None,
        });
        self.tell("done", self.res.len() - 1)
    }

    fn refund(&mut self, n: usize, line: usize, amount: i64) {
        if amount > 0 {
            self.res[n].lines[line].back += amount;
            self.refunds.push((n, line, amount, false));
        }
    }
    /// Keep `price` of the payments and give the rest back, in order.
    fn keep_only(&mut self, n: usize, mut price: i64) {
        for at in 0..self.res[n].lines.len() {
            let line = self.res[n].lines[at];
            let rest = line.amount - line.back;
            let used = if line.foreign { 0 } else { rest.min(price) };
            price -= used;
            self.refund(n, at, rest - used);
        }
    }
    pub fn end(&mut self, n: usize, state: &'static str) {
        self.res[n].state = state;
        self.keep_only(n, if state == "sold" { self.res[n].amount } else { 0 });
    }

    pub fn confirm(&mut self, n: usize, lines: &[Line], key: Key, busy: bool) -> String {
        let r = self.res[n].clone();
        if let Some(key) = key {
            for (other, o) in self.of_buyer(self.skus[r.sku].camp, r.buyer) {
                if o.confirm_keys.iter().any(|k| k.0 == key.0 && (other != n || *k != key)) {
                    return "key_reused".into();
                }
            }
        }
        if lines.is_empty() {
            return match r.state {
                "sold" => self.tell("already", n),
                "expired" => "expired".into(),
                "released" | "cancelled" => "already_final".into(),
                _ if r.unaccepted || self.paid(n) < r.amount => "invalid_request".into(),
                _ => {
                    self.res[n].confirm_keys.extend(key);
                    self.end(n, "sold");
                    self.tell("done", n)
                }
            };
        }
        let mut new = vec![];
        for (at, line) in lines.iter().enumerate() {
            if lines[..at].iter().any(|l| l.reference == line.reference) {
                return "invalid_request".into();
            }
            let known = |r: &Res| r.lines.iter().find(|l| l.reference == line.reference).copied();
            match self.res.iter().enumerate().find_map(|(o, r)| known(r).map(|l| (o, l))) {
                Some((o, l)) if o == n && (l.amount, l.foreign) == (line.amount, line.foreign) => {}
                Some(_) => return "key_reused".into(),
                None if line.amount <= 0 => return "invalid_request".into(),
                None => new.push(*line),
            }
        }
        if r.lines.len() + new.len() > 32 {
            return "invalid_request".into();
        }
        for line in &new {
            self.pay(n, *line, busy);
            self.res[n].confirm_keys.extend(key);
        }
        self.tell(if new.is_empty() { "already" } else { "done" }, n)
    }
    fn pay(&mut self, n: usize, line: Line, busy: bool) {
        let counts = if line.foreign { 0 } else { line.amount };
        self.res[n].lines.push(line);
        let (r, paid) = (&self.res[n], self.paid(n));
        let live = r.state == "held" || r.state == "review";
        let late = r.state == "expired"
            && !r.unaccepted
            && counts >= r.amount
            && self.camp_of(r.sku).phase == Phase::Open
            && self.over_limit(r.sku, r.buyer, r.units).is_none()
            && self.figures(r.sku)[0] >= r.units
            && !busy;
        if r.state == "held" && paid >= r.amount || late {
            self.end(n, "sold");
        } else if !live {
            self.refund(n, self.res[n].lines.len() - 1, line.amount);
        }
    }

    pub fn release(&mut self, n: usize, key: Key) -> String {
        let r = self.res[n].clone();
        for (other, o) in self.of_buyer(self.skus[r.sku].camp, r.buyer) {
            if let (Some(key), Some(used)) = (key, o.release_key)
                && key.0 == used.0
                && (other != n || key != used)
            {
                return "key_reused".into();
            }
        }
        match r.state {
            "held" | "review" => {
                self.res[n].release_key = key;
                self.end(n, "released");
                self.tell("done", n)
            }
            "released" => self.tell("already", n),
            "expired" => "expired".into(),
            _ => "already_final".into(),
        }
    }

    pub fn cancel(&mut self, n: usize, restock: bool) -> String {
        match self.res[n].state {
            "sold" => {
                self.end(n, "cancelled");
                let Res { sku, units, .. } = self.res[n];
                self.skus[sku].withdrawn += if restock { 0 } else { units };
                self.tell("done", n)
            }
            "cancelled" => self.tell("already", n),
            "held" | "review" => "invalid_request".into(),
            _ => "already_final".into(),
        }
    }

    /// Put deadlines of live holds off: of one, or of all of a campaign.
    pub fn extend(&mut self, camp: usize, one: Option<usize>, more: u64) -> String {
        if let Some(n) = one {
            match self.res[n].state {
                "held" | "review" => {}
                "expired" => return "expired".into(),
                _ => return "already_final".into(),
            }
        }
        let mut count = 0;
        for n in 0..self.res.len() {
            let live = ["held", "review"].contains(&self.res[n].state);
            let meant = one.map_or(self.skus[self.res[n].sku].camp == camp, |one| one == n);
            if live && meant {
                self.res[n].expires += more;
                count += 1;
            }
        }
        match one {
            Some(n) => self.tell("done", n),
            None => format!("{} {count}", if count > 0 { "done" } else { "already" }),
        }
    }

    pub fn judge(&mut self, n: usize, accept: bool) -> String {
        match (self.res[n].state, accept) {
            ("review", _) => {
                self.end_or_hold(n, accept);
                self.tell("done", n)
            }
            ("held", true) if self.res[n].amount > 0 && self.paid(n) >= self.res[n].amount => {
                self.end(n, "sold");
                self.tell("done", n)
            }
            ("held", true) | ("released", false) => self.tell("already", n),
            ("expired", _) => "expired".into(),
            _ => "already_final".into(),
        }
    }
    /// Make a hold under review an ordinary one; what was paid for it does not count yet.
    pub fn accept(&mut self, n: usize) -> String {
        if self.res[n].state != "review" {
            return "already_final".into();
        }
        self.res[n].state = "held";
        self.res[n].unaccepted = false;
        self.tell("done", n)
    }
    fn paid(&self, n: usize) -> i64 {
        let kept = self.res[n].lines.iter().filter(|l| !l.foreign);
        kept.map(|l| l.amount - l.back).sum()
    }
    fn end_or_hold(&mut self, n: usize, accept: bool) {
        if accept {
            self.accept(n);
            if self.res[n].amount > 0 && self.paid(n) >= self.res[n].amount {
                self.end(n, "sold");
            }
        } else {
            self.end(n, "released");
        }
    }

    pub fn supply(&mut self, sku: usize, units: i32, busy: bool) -> String {
        let n = units.unsigned_abs();
        if self.camp_of(sku).phase == Phase::Settled {
            return "ended".into();
        }
        if units > 0 {
            self.skus[sku].supplied += n;
        } else if units < 0 && self.figures(sku)[0] >= n && !busy {
            self.skus[sku].withdrawn += n;
        } else {
            return "invalid_request".into();
        }
        "done".into()
    }

    pub fn move_phase(&mut self, camp: usize, to: Phase) -> String {
        use Phase::*;
        let from = self.camps[camp].phase;
        let held = (0..self.skus.len()).filter(|s| self.skus[*s].camp == camp);
        let held: u32 = held.map(|s| self.figures(s)[1]).sum();
        match (from, to) {
            _ if from == to => return "already".into(),
            (Scheduled | Draw | Paused, Open) | (Open, Paused) => {}
            (Scheduled | Draw | Open | Paused, Closed) => {}
            (Closed, Settled) if held == 0 => {}
            _ => return "invalid_request".into(),
        }
        self.camps[camp].phase = to;
        "done".into()
    }

    pub fn pass(&mut self, ms: u64) {
        self.now += ms;
        for camp in 0..self.camps.len() {
            self.camps[camp].phase = self.camps[camp].phase_at(self.now);
            while let Some((sku, units)) = self.due_wave(camp) {
                self.skus[sku].supplied += units;
                self.camps[camp].waves.remove(0);
            }
        }
        while let Some(n) = self.due_hold() {
            self.end(n, "expired");
        }
    }
    /// Return the SKU and units of the next wave, if its time has come.
    pub fn due_wave(&self, camp: usize) -> Option<(usize, u32)> {
        let c = &self.camps[camp];
        let next = c.waves.first().filter(|w| c.phase < Phase::Closed && w.0 <= self.now);
        next.map(|w| (w.1, w.2))
    }
    /// Return the hold that must end next, if its time has come.
    pub fn due_hold(&self) -> Option<usize> {
        let live = |r: &Res| r.state == "held" || r.state == "review";
        let due =
            |(n, r): (usize, &Res)| (live(r) && r.expires <= self.now).then_some((r.expires, n));
        self.res.iter().enumerate().filter_map(due).min().map(|(_, n)| n)
    }
}
