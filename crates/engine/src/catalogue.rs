//! The campaigns and SKUs as callers see them: an immutable map that is replaced whole, so a reader
//! takes no lock and no shared counter moves on a hot key.

use crate::line::LineShared;
use crate::secret::KeyedState;
use onrush_core::campaign::{Terms, WaitTerms};
use onrush_core::front::Claims;
use onrush_core::ledger::{CampaignState, Ledger};
use onrush_core::line::terms::LineTerms;
use onrush_core::phase::{Phase, phase_at};
use onrush_types::limits::BUYERS_PER_CAMPAIGN_MAX;
use onrush_types::{CampaignIx, Money, Name, SkuIx, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// A campaign, as of the last durable record that changed it.
#[derive(Debug)]
pub struct Campaign {
    pub(crate) ix: CampaignIx,
    pub(crate) name: Name,
    pub(crate) terms: Arc<Terms>,
    pub(crate) waitlist: Option<WaitTerms>,
    pub(crate) reached: Phase,
    pub(crate) skus: Arc<SkuTable>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) line: Option<Arc<LineShared>>,
    pub(crate) line_terms: Option<Arc<LineTerms>>,
}

/// A SKU of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sku {
    /// Its number, for [`units`](crate::Engine::units).
    pub ix: SkuIx,
    /// Its name.
    pub name: Name,
    /// Price of one unit.
    pub price: Money,
    /// Units one buyer may have of it.
    pub limit_per_buyer: u32,
}

#[derive(Debug)]
pub(crate) struct SkuTable {
    list: Vec<Sku>,
    by_name: HashMap<Name, u32, KeyedState>,
}

impl Campaign {
    /// Return its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Return its number.
    pub fn ix(&self) -> CampaignIx {
        self.ix
    }

    /// Return its terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Return the terms of its waitlist, if it has one.
    pub fn waitlist(&self) -> Option<WaitTerms> {
        self.waitlist
    }

    /// Return its phase at `now`: planned switches count at once, before they are journaled.
    #[inline]
    pub fn phase(&self, now: Timestamp) -> Phase {
        phase_at(&self.terms.schedule, self.reached, now)
    }

    /// Return its SKUs, in the order in which they were created.
    pub fn skus(&self) -> impl ExactSizeIterator<Item = &Sku> {
        self.skus.list.iter()
    }

    /// Find a SKU by name.
    #[inline]
    pub fn sku(&self, name: &str) -> Option<&Sku> {
        let at = *self.skus.by_name.get(name)?;
        self.skus.list.get(at as usize)
    }

    /// Return the terms of its line as they were put; `None`: it has none. How fast people are let in
    /// now is in the [line's view](crate::Engine::line).
    pub fn line_terms(&self) -> Option<&LineTerms> {
        self.line_terms.as_deref()
    }

    /// Return how many buyers have, had or are getting a reservation.
    pub fn buyers(&self) -> usize {
        self.claims.buyers()
    }
}

/// All campaigns.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) list: Vec<Arc<Campaign>>,
    by_name: HashMap<Name, u32, KeyedState>,
}

impl Catalogue {
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Campaign>> {
        self.list.get(*self.by_name.get(name)? as usize)
    }

    /// Make the catalogue of `ledger`, keeping what `dirty` does not name.
    pub(crate) fn update(
        &self,
        ledger: &Ledger,
        dirty: impl Fn(CampaignIx) -> Dirt,
        hasher: KeyedState,
        line_of: impl Fn(CampaignIx, Option<&Arc<LineShared>>) -> Option<Arc<LineShared>>,
    ) -> Catalogue {
        let mut next = Catalogue { list: Vec::new(), by_name: HashMap::with_hasher(hasher) };
        for (n, state) in ledger.campaigns().iter().enumerate() {
            let ix = CampaignIx(n as u16);
            let before = self.list.get(n);
            let line = || {
                let terms = ledger.line(ix).map(|line| Arc::new(line.terms.clone()));
                (line_of(ix, before.and_then(|before| before.line.as_ref())), terms)
            };
            let campaign = match (before, dirty(ix)) {
                (Some(before), Dirt::None) => before.clone(),
                (Some(before), Dirt::Terms) => {
                    let (skus, claims) = (before.skus.clone(), before.claims.clone());
                    Arc::new(view(ix, state, ledger.wait_terms(ix), skus, claims, line()))
                }
                (before, _) => {
                    let skus = Arc::new(sku_table(ledger, state, hasher));
                    let claims = before.map(|before| before.claims.clone());
                    let expected = state.terms.buyers_expected as usize;
                    let claims = claims.unwrap_or_else(|| {
                        Arc::new(Claims::new(expected, BUYERS_PER_CAMPAIGN_MAX))
                    });
                    Arc::new(view(ix, state, ledger.wait_terms(ix), skus, claims, line()))
                }
            };
            next.by_name.insert(campaign.name.clone(), n as u32);
            next.list.push(campaign);
        }
        next
    }
}

/// What of a campaign has to be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dirt {
    None,
    Terms,
    Skus,
}

fn view(
    ix: CampaignIx,
    state: &CampaignState,
    waitlist: Option<WaitTerms>,
    skus: Arc<SkuTable>,
    claims: Arc<Claims>,
    (line, line_terms): (Option<Arc<LineShared>>, Option<Arc<LineTerms>>),
) -> Campaign {
    let CampaignState { name, terms, reached, .. } = state;
    let terms = Arc::new(terms.clone());
    let (name, reached) = (name.clone(), *reached);
    Campaign { ix, name, terms, waitlist, reached, skus, claims, line, line_terms }
}

fn sku_table(ledger: &Ledger, state: &CampaignState, hasher: KeyedState) -> SkuTable {
    let mut numbers: Vec<SkuIx> = state.skus.values().copied().collect();
    numbers.sort_unstable();
    let mut table = SkuTable { list: Vec::new(), by_name: HashMap::with_hasher(hasher) };
    for ix in numbers {
        let sku = &ledger.skus()[ix.index()];
        table.by_name.insert(sku.name.clone(), table.list.len() as u32);
        table.list.push(Sku {
            ix,
            name: sku.name.clone(),
            price: Money { amount: sku.price, currency: state.terms.currency },
            limit_per_buyer: sku.limit_per_buyer,
        });
    }
    table
}
