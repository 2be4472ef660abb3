//! A campaign as an operator writes it: the same shape in the TOML file and in
//! `PUT /admin/v1/campaigns/{campaign}`.

use super::fields::{CurrencyText, Span, When, name, name_option};
use super::line::{LineBody, LineShown};
use onrush::{Campaign, CampaignSpec, Phase, Schedule, SkuSpec, Terms, WaitTerms, Wave};
use onrush_types::{Currency, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// A campaign: times, SKUs, limits, what is shown.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CampaignBody {
    /// Its name; in a PUT it may be left out, as the address has it.
    #[serde(with = "name_option", skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Name>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `false` keeps it a draft, invisible to buyers.
    pub published: bool,
    /// The currency of all its prices.
    pub currency: CurrencyText,
    /// From when people may register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preheat_at: Option<When>,
    /// From when the line is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draw_at: Option<When>,
    /// From when units can be reserved; left out: an operator opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<When>,
    /// From when no new reservation is accepted; left out: an operator closes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<When>,
    /// Units one buyer may hold or own.
    pub limit_per_buyer: u32,
    /// How long a hold lives.
    pub hold: Span,
    /// Buyers to have memory ready for.
    pub buyers_expected: u32,
    /// Where its units come from.
    pub supply: SupplyFrom,
    /// What buyers see of the stock.
    pub stock: StockShown,
    /// With `stock = "band"`: up to so many free units are called few.
    pub few_at: u32,
    /// Its SKUs.
    pub skus: Vec<SkuBody>,
    /// Planned supplies.
    pub waves: Vec<WaveBody>,
    /// Its waiting room, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<LineBody>,
    /// Lets buyers wait for units that come back; left out: nobody waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waitlist: Option<WaitlistBody>,
}

/// The terms of a waitlist.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaitlistBody {
    /// How long a unit is kept for the one whom it is offered.
    pub offer: Span,
}

impl Default for WaitlistBody {
    fn default() -> WaitlistBody {
        WaitlistBody { offer: Span::secs(120) }
    }
}

impl Default for CampaignBody {
    fn default() -> CampaignBody {
        CampaignBody {
            campaign: None,
            title: None,
            published: true,
            currency: Currency::CNY.into(),
            preheat_at: None,
            draw_at: None,
            opens_at: None,
            closes_at: None,
            limit_per_buyer: 1,
            hold: Span::secs(300),
            buyers_expected: 1_000,
            supply: SupplyFrom::Own,
            stock: StockShown::Exact,
            few_at: 20,
            skus: Vec::new(),
            waves: Vec::new(),
            line: None,
            waitlist: None,
        }
    }
}

/// One SKU of a campaign.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SkuBody {
    /// Its name.
    #[serde(with = "name")]
    pub sku: Name,
    /// Price of one unit, in minor units.
    pub price: i64,
    /// Units to start with; acts once, when the SKU first appears.
    #[serde(default)]
    pub supply: u32,
    /// Units one buyer may have of it; the campaign's limit when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_per_buyer: Option<u32>,
}

/// A planned supply.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WaveBody {
    /// When the units become free.
    pub at: When,
    /// Of which SKU.
    #[serde(with = "name")]
    pub sku: Name,
    /// How many.
    pub quantity: u32,
}

/// Where a campaign's units come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplyFrom {
    /// What is stated here, by waves and by hand.
    #[default]
    Own,
    /// The stores' stock is the supply.
    Stores,
}

/// What buyers see of the stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StockShown {
    /// The number of free units.
    #[default]
    Exact,
    /// `none`, `few` or `many`.
    Band,
}

/// What the gateway keeps with a campaign that the engine does not decide by.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) struct Shown {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) stock: StockShown,
    #[serde(default)]
    pub(crate) few_at: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) line: Option<LineShown>,
}

impl Shown {
    /// Read it from a campaign; what another tool wrote shows exact numbers.
    pub(crate) fn of(terms: &Terms) -> Shown {
        serde_json::from_str(&terms.attributes).unwrap_or_default()
    }
}

impl CampaignBody {
    /// Make the engine's specification of it, under `campaign`.
    pub fn spec(&self, campaign: Name) -> CampaignSpec {
        let shown = Shown {
            title: self.title.clone(),
            stock: self.stock,
            few_at: self.few_at,
            line: self.line.as_ref().map(LineBody::shown),
        };
        let at = |when: Option<When>| when.map(|when| when.0);
        let waves = self.waves.iter().map(|wave| Wave {
            at: wave.at.0,
            sku: wave.sku.clone(),
            units: wave.quantity,
        });
        let skus = self.skus.iter().map(|sku| SkuSpec {
            name: sku.sku.clone(),
            price: sku.price,
            limit_per_buyer: sku.limit_per_buyer.unwrap_or(self.limit_per_buyer),
            supply: sku.supply,
        });
        CampaignSpec {
            waitlist: self.waitlist.as_ref().map(|list| WaitTerms { offer: list.offer.0 }),
            name: campaign,
            terms: Terms {
                published: self.published,
                schedule: Schedule {
                    preheat_at: at(self.preheat_at),
                    draw_at: at(self.draw_at),
                    opens_at: at(self.opens_at),
                    closes_at: at(self.closes_at),
                },
                currency: self.currency.0,
                limit_per_buyer: self.limit_per_buyer,
                hold: self.hold.0,
                buyers_expected: self.buyers_expected,
                waves: waves.collect(),
                supply_from_stores: self.supply == SupplyFrom::Stores,
                attributes: serde_json::to_string(&shown).expect("plain data is JSON"),
            },
            skus: skus.collect(),
            line: self.line.as_ref().map(LineBody::terms),
        }
    }

    /// Write a campaign that there is. What a SKU was supplied with is left at 0: it acts once.
    pub(crate) fn of(campaign: &Campaign) -> CampaignBody {
        let terms = campaign.terms();
        let shown = Shown::of(terms);
        let waves = terms.waves.iter().map(|wave| WaveBody {
            at: When(wave.at),
            sku: wave.sku.clone(),
            quantity: wave.units,
        });
        let skus = campaign.skus().map(|sku| SkuBody {
            sku: sku.name.clone(),
            price: sku.price.amount,
            supply: 0,
            limit_per_buyer: Some(sku.limit_per_buyer),
        });
        CampaignBody {
            campaign: Some(campaign.name().clone()),
            title: shown.title,
            published: terms.published,
            currency: terms.currency.into(),
            preheat_at: terms.schedule.preheat_at.map(When),
            draw_at: terms.schedule.draw_at.map(When),
            opens_at: terms.schedule.opens_at.map(When),
            closes_at: terms.schedule.closes_at.map(When),
            limit_per_buyer: terms.limit_per_buyer,
            hold: Span(terms.hold),
            buyers_expected: terms.buyers_expected,
            supply: if terms.supply_from_stores { SupplyFrom::Stores } else { SupplyFrom::Own },
            stock: shown.stock,
            few_at: shown.few_at,
            skus: skus.collect(),
            waves: waves.collect(),
            line: campaign
                .line_terms()
                .map(|line| LineBody::of(line, &shown.line.unwrap_or_default())),
            waitlist: campaign.waitlist().map(|list| WaitlistBody { offer: Span(list.offer) }),
        }
    }

    /// Tell how long after `now` the sale still runs, where that is planned.
    pub(crate) fn runs_from(&self, now: Timestamp) -> Option<Timestamp> {
        self.opens_at.map(|when| when.0.max(now))
    }
}

/// Read the name of a phase that an operator may move to.
pub(crate) fn phase_named(text: &str) -> Option<Phase> {
    Phase::ALL.into_iter().find(|phase| phase.as_str() == text)
}
