//! Reads the truth over the admin API, as an operator would.

use crate::client::{Ask, Client};
use crate::told::state_named;
use crate::truth::{PaymentTruth, ReservationTruth, SkuTruth, Truth};
use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Entries asked for in one page.
const PAGE: u32 = 500;

/// Why the admin API did not answer.
#[derive(Debug)]
pub struct AdminError {
    /// What was asked.
    pub what: String,
    /// What happened, and what to do.
    pub problem: String,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.problem)
    }
}

impl std::error::Error for AdminError {}

#[derive(Deserialize)]
struct CampaignRow {
    #[serde(default)]
    limit_per_buyer: u32,
    #[serde(default)]
    hold_ms: u64,
    #[serde(default)]
    skus: Vec<SkuRow>,
}

#[derive(Deserialize)]
struct SkuRow {
    sku: String,
    supplied: u64,
    free: u64,
    held: u64,
    sold: u64,
    withdrawn: u64,
}

#[derive(Deserialize)]
struct Reservations {
    reservations: Vec<ReservationRow>,
    next_after: Option<u32>,
}

#[derive(Deserialize)]
struct ReservationRow {
    id: String,
    sku: String,
    quantity: u32,
    state: String,
    price: Amount,
    payments: Vec<PaymentRow>,
}

#[derive(Deserialize)]
struct Amount {
    amount: i64,
}

#[derive(Deserialize)]
struct PaymentRow {
    reference: String,
    amount: i64,
}

#[derive(Deserialize)]
struct Refunds {
    refunds: Vec<RefundRow>,
    next_after: Option<u32>,
}

#[derive(Deserialize)]
struct RefundRow {
    reservation: String,
    money: Amount,
}

/// What a campaign's operator set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Units one buyer may hold or own.
    pub limit_per_buyer: u32,
    /// How long a hold lives, in milliseconds.
    pub hold_ms: u64,
    /// Its SKUs.
    pub skus: Vec<String>,
}

/// Read a campaign's terms.
///
/// # Errors
/// When the server does not answer, refuses, or answers in another shape.
pub async fn terms(client: &Client, campaign: &str) -> Result<Terms, AdminError> {
    let row: CampaignRow = get(client, &format!("/admin/v1/campaigns/{campaign}")).await?;
    let skus = row.skus.into_iter().map(|sku| sku.sku).collect();
    Ok(Terms { limit_per_buyer: row.limit_per_buyer, hold_ms: row.hold_ms, skus })
}

/// Read the units of a campaign's SKUs.
///
/// # Errors
/// As [`terms`].
pub async fn units(client: &Client, campaign: &str) -> Result<Truth, AdminError> {
    let row: CampaignRow = get(client, &format!("/admin/v1/campaigns/{campaign}")).await?;
    let skus = row.skus.into_iter().map(|row| {
        let SkuRow { sku, supplied, free, held, sold, withdrawn } = row;
        (sku, SkuTruth { supplied, free, held, sold, withdrawn })
    });
    Ok(Truth { skus: skus.collect(), ..Truth::default() })
}

/// Read everything about a campaign: units, reservations with payments, and refunds due that were
/// not paid out yet.
///
/// # Errors
/// As [`terms`].
pub async fn truth(client: &Client, campaign: &str) -> Result<Truth, AdminError> {
    let mut truth = units(client, campaign).await?;
    let mut after = None;
    loop {
        let base = format!("/admin/v1/campaigns/{campaign}/reservations");
        let page: Reservations = get(client, &page_of(&base, after)).await?;
        for row in page.reservations {
            let state = state_named(&row.state).ok_or_else(|| AdminError {
                what: base.clone(),
                problem: format!("`{}` is no state of a reservation", row.state),
            })?;
            let payments = row.payments.into_iter();
            let reservation = ReservationTruth {
                buyer: None,
                sku: row.sku,
                quantity: row.quantity,
                state,
                amount: row.price.amount,
                payments: payments
                    .map(|p| PaymentTruth { reference: p.reference, amount: p.amount })
                    .collect(),
                refunds: Vec::new(),
            };
            truth.reservations.insert(row.id, reservation);
        }
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    loop {
        let page: Refunds = get(client, &page_of("/admin/v1/refunds", after)).await?;
        for row in page.refunds {
            // Refunds of other campaigns are listed too.
            if let Some(reservation) = truth.reservations.get_mut(&row.reservation) {
                reservation.refunds.push(row.money.amount);
            }
        }
        after = page.next_after;
        if after.is_none() {
            return Ok(truth);
        }
    }
}

/// Create or change a campaign.
///
/// # Errors
/// As [`terms`].
pub async fn put_campaign(client: &Client, name: &str, body: &Value) -> Result<(), AdminError> {
    let path = format!("/admin/v1/campaigns/{name}");
    let ask = Ask { method: Method::PUT, path: &path, headers: &[], body: body.to_string() };
    let _: Value = exchange(client, ask).await?;
    Ok(())
}

fn page_of(base: &str, after: Option<u32>) -> String {
    match after {
        Some(after) => format!("{base}?limit={PAGE}&after={after}"),
        None => format!("{base}?limit={PAGE}"),
    }
}

async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, AdminError> {
    let ask = Ask { method: Method::GET, path, headers: &[], body: String::new() };
    exchange(client, ask).await
}

async fn exchange<T: DeserializeOwned>(client: &Client, ask: Ask<'_>) -> Result<T, AdminError> {
    let what = format!("{} {}", ask.method, ask.path);
    let fail = |problem: String| AdminError { what: what.clone(), problem };
    let _slot = client.slot().await;
    let answer = client.send(ask).await.map_err(|lost| fail(lost.to_string()))?;
    match answer.status {
        200..300 => {}
        401 | 403 => return Err(fail("the admin token was not accepted; check its file".into())),
        404 => return Err(fail("not found; check the campaign's name and the address".into())),
        status => {
            let text = String::from_utf8_lossy(&answer.body).chars().take(300).collect::<String>();
            return Err(fail(format!("status {status}: {text}")));
        }
    }
    serde_json::from_slice(&answer.body)
        .map_err(|e| fail(format!("the answer has another shape ({e}); is this an Onrush server?")))
}
