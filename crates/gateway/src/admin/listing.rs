//! Lists for operators, in pages. What is needed is copied on the ledger's thread, a bounded amount
//! at a time; text is made of it afterwards, elsewhere.

use crate::problem::Problem;
use crate::waitlist::WaitRow;
use crate::wire::{format_timestamp, json};
use onrush::ledger::{Ledger, Line, RefundDue, ReservationState, SkuState};
use onrush::{CampaignIx, Currency, Engine, Money, Name, Quantity, ReservationSeq, Timestamp};
use serde_json::{Value, json as value};

/// Entries of one page.
const PAGE_MAX: usize = 500;
const PAGE_DEFAULT: usize = 100;

/// Reservations looked at for one page: about a millisecond of the ledger's time.
const SCAN_MAX: u32 = 100_000;

/// Which part of a list: `?after=…&limit=…`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    after: Option<u32>,
    limit: usize,
}

impl Page {
    pub(crate) fn read(query: Option<&str>) -> Result<Page, Problem> {
        let mut page = Page { after: None, limit: PAGE_DEFAULT };
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        for pair in pairs {
            match pair.split_once('=') {
                Some(("after", text)) => page.after = Some(number("after", text, u32::MAX - 1)?),
                Some(("limit", text)) => {
                    page.limit = number("limit", text, PAGE_MAX as u32)?.max(1) as usize;
                }
                _ => return Err(Problem::invalid("query: only `after` and `limit` are known")),
            }
        }
        Ok(page)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn first(&self) -> u32 {
        self.after.map_or(0, |after| after + 1)
    }
}

fn number(field: &str, text: &str, most: u32) -> Result<u32, Problem> {
    let read = text.parse().ok().filter(|number| *number <= most);
    read.ok_or_else(|| Problem::invalid(format!("{field}: a number up to {most}")))
}

/// What was copied from the ledger.
#[derive(Debug)]
pub(crate) enum Listing {
    Campaigns(Vec<CampaignRow>, Option<u32>),
    Campaign(CampaignRow),
    Reservations(Vec<ReservationRow>, Option<u32>),
    Reservation(Box<ReservationRow>),
    Refunds(Vec<(u32, RefundDue)>, Option<u32>),
    Waitlist(Vec<WaitRow>, Option<u32>),
}

#[derive(Debug)]
pub(crate) struct CampaignRow {
    name: Name,
    skus: Vec<SkuState>,
}

#[derive(Debug)]
pub(crate) struct ReservationRow {
    seq: ReservationSeq,
    campaign: Name,
    sku: Name,
    quantity: Quantity,
    state: &'static str,
    price: Money,
    expires_at: Timestamp,
    details: Option<Box<[u8]>>,
    lines: Vec<Line>,
}

impl Listing {
    pub(crate) fn campaigns(ledger: &Ledger, page: &Page) -> Listing {
        let all = ledger.campaigns().len() as u32;
        let last = all.min(page.first().saturating_add(page.limit as u32));
        let rows = (page.first()..last).filter_map(|n| campaign_row(ledger, CampaignIx(n as u16)));
        // SKUs are left out of the list: there may be 100,000 in each.
        let rows = rows.map(|row| CampaignRow { skus: Vec::new(), ..row });
        Listing::Campaigns(rows.collect(), (last < all).then(|| last.saturating_sub(1)))
    }

    pub(crate) fn campaign(ledger: &Ledger, name: &str) -> Option<Listing> {
        campaign_row(ledger, ledger.campaign_named(name)?).map(Listing::Campaign)
    }

    pub(crate) fn reservations(ledger: &Ledger, of: CampaignIx, page: &Page) -> Listing {
        let all = ledger.reservation_count();
        let last = all.min(page.first().saturating_add(SCAN_MAX));
        let mut rows = Vec::new();
        let mut seen = page.first();
        while seen < last && rows.len() < page.limit {
            let seq = ReservationSeq(seen);
            let r = ledger.reservation(seq).filter(|r| {
                let sku = ledger.skus().get(r.sku.index());
                sku.is_some_and(|sku| sku.campaign == of)
            });
            rows.extend(r.and_then(|r| reservation_row(ledger, seq, r)));
            seen += 1;
        }
        Listing::Reservations(rows, (seen < all).then(|| seen.saturating_sub(1)))
    }

    pub(crate) fn reservation(ledger: &Ledger, seq: ReservationSeq) -> Option<Listing> {
        let row = reservation_row(ledger, seq, ledger.reservation(seq)?)?;
        Some(Listing::Reservation(Box::new(row)))
    }

    pub(crate) fn refunds(ledger: &Ledger, page: &Page) -> Listing {
        let all = ledger.refunds().len() as u32;
        let last = all.min(page.first().saturating_add(SCAN_MAX));
        let mut rows = Vec::new();
        let mut seen = page.first();
        while seen < last && rows.len() < page.limit {
            let refund = &ledger.refunds()[seen as usize];
            if !refund.done {
                rows.push((seen, refund.clone()));
            }
            seen += 1;
        }
        Listing::Refunds(rows, (seen < all).then(|| seen.saturating_sub(1)))
    }

    /// Write it as JSON.
    pub(crate) fn write(self, engine: &Engine) -> Vec<u8> {
        match self {
            Listing::Campaigns(rows, next) => {
                let rows: Vec<Value> = rows.iter().map(|row| row.value(engine)).collect();
                json(&value!({"campaigns": rows, "next_after": next}))
            }
            Listing::Campaign(row) => json(&row.value(engine)),
            Listing::Reservations(rows, next) => {
                let rows: Vec<Value> = rows.iter().map(|row| row.value(engine)).collect();
                json(&value!({"reservations": rows, "next_after": next}))
            }
            Listing::Reservation(row) => json(&row.value(engine)),
            Listing::Refunds(rows, next) => {
                let rows: Vec<Value> = rows.iter().map(|row| refund_value(engine, row)).collect();
                json(&value!({"refunds": rows, "next_after": next}))
            }
            Listing::Waitlist(rows, next) => {
                let rows: Vec<Value> = rows.iter().map(WaitRow::value).collect();
                json(&value!({"lines": rows, "next_after": next}))
            }
        }
    }
}

fn campaign_row(ledger: &Ledger, ix: CampaignIx) -> Option<CampaignRow> {
    let campaign = ledger.campaigns().get(ix.index())?;
    let skus = campaign.skus.values().filter_map(|sku| ledger.skus().get(sku.index()));
    Some(CampaignRow { name: campaign.name.clone(), skus: skus.cloned().collect() })
}

fn reservation_row(
    ledger: &Ledger,
    seq: ReservationSeq,
    r: &ReservationState,
) -> Option<ReservationRow> {
    let sku = ledger.skus().get(r.sku.index())?;
    let campaign = ledger.campaigns().get(sku.campaign.index())?;
    Some(ReservationRow {
        seq,
        campaign: campaign.name.clone(),
        sku: sku.name.clone(),
        quantity: r.quantity,
        state: r.state.as_str(),
        price: Money { amount: r.amount, currency: campaign.terms.currency },
        expires_at: r.expires_at,
        details: ledger.details(seq).map(Into::into),
        lines: ledger.lines(seq).to_vec(),
    })
}

impl CampaignRow {
    fn value(&self, engine: &Engine) -> Value {
        let campaign = engine.campaign(self.name.as_str());
        let mut value = value!({"campaign": self.name.as_str()});
        if let Some(campaign) = campaign {
            let terms = campaign.terms();
            let time = |at: Option<Timestamp>| at.map(format_timestamp);
            value["phase"] = campaign.phase(engine.now()).as_str().into();
            value["currency"] = terms.currency.as_str().into();
            value["opens_at"] = time(terms.schedule.opens_at).into();
            value["closes_at"] = time(terms.schedule.closes_at).into();
            value["limit_per_buyer"] = terms.limit_per_buyer.into();
            value["hold_ms"] = terms.hold.0.into();
            let from_stores = terms.supply_from_stores;
            value["supply"] = if from_stores { "stores" } else { "own" }.into();
            value["waitlist_offer_ms"] = campaign.waitlist().map(|terms| terms.offer.0).into();
            value["buyers"] = campaign.buyers().into();
            value["sku_count"] = campaign.skus().len().into();
        }
        if !self.skus.is_empty() {
            let skus = self.skus.iter().map(|sku| {
                value!({
                    "sku": sku.name.as_str(), "price": sku.price,
                    "limit_per_buyer": sku.limit_per_buyer, "supplied": sku.supplied,
                    "free": sku.free, "held": sku.held, "sold": sku.sold,
                    "withdrawn": sku.withdrawn,
                })
            });
            value["skus"] = skus.collect();
        }
        value
    }
}

impl ReservationRow {
    fn value(&self, engine: &Engine) -> Value {
        let details = self.details.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let lines = self.lines.iter().map(|line| {
            let payment = &line.payment;
            value!({
                "provider": payment.provider.as_str(), "method": payment.method.as_str(),
                "reference": &*payment.reference, "amount": payment.money.amount,
                "currency": payment.money.currency.as_str(), "refunded": line.refunded,
            })
        });
        value!({
            "id": engine.id_of(self.seq).as_str(), "seq": self.seq.0,
            "campaign": self.campaign.as_str(), "sku": self.sku.as_str(),
            "quantity": self.quantity.get(), "state": self.state,
            "price": money(self.price.amount, self.price.currency),
            "expires_at": format_timestamp(self.expires_at),
            "details": details.unwrap_or(Value::Null),
            "payments": lines.collect::<Vec<Value>>(),
        })
    }
}

fn refund_value(engine: &Engine, (number, refund): &(u32, RefundDue)) -> Value {
    value!({
        "refund": number.to_string(),
        "reservation": engine.id_of(refund.seq).as_str(),
        "payment": refund.line,
        "money": money(refund.amount, refund.currency),
    })
}

fn money(amount: i64, currency: Currency) -> Value {
    value!({"amount": amount, "currency": currency.as_str()})
}
