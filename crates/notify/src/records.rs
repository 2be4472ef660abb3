//! The words between the desk, the notifier and the store: keys, orders, what became of them.

use crate::address::{Address, Channel, Locale};
use crate::row::State;
use onrush_types::{BuyerDigest, CampaignIx, Timestamp};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;

/// Which reminder: one buyer, campaign and channel have at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose.
    pub buyer: BuyerDigest,
    /// Of which campaign.
    pub campaign: CampaignIx,
    /// On which channel.
    pub channel: Channel,
}

/// What can be asked of the owner thread. Campaign and phase were checked by whoever asks.
#[derive(Clone, Debug)]
pub enum Order {
    /// Remind a buyer; a reminder that waits gets the new address and consent.
    Remind {
        /// Whose.
        buyer: BuyerDigest,
        /// Of which campaign.
        campaign: CampaignIx,
        /// Where it goes.
        address: Address,
        /// Written in which language.
        locale: Locale,
        /// When the buyer agreed.
        consent_at: Timestamp,
        /// To which version of the text.
        text_version: u16,
    },
    /// Take a buyer's reminders of a campaign back, on one channel or all.
    TakeBack {
        /// Whose.
        buyer: BuyerDigest,
        /// Of which campaign.
        campaign: CampaignIx,
        /// On which channel; `None`: all.
        channel: Option<Channel>,
    },
    /// Take all of a buyer's reminders on a channel back: the unsubscribe link.
    Unsubscribe {
        /// Whose.
        buyer: BuyerDigest,
        /// On which channel.
        channel: Channel,
    },
    /// Forget a buyer: every reminder, every address, and the key that could read them.
    Erase {
        /// Whom.
        buyer: BuyerDigest,
    },
}

/// What became of an order. A refusal is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The reminder is kept.
    Kept {
        /// Whether it is new.
        new: bool,
        /// Where it stands.
        state: State,
    },
    /// So many reminders are gone.
    Gone(u32),
    /// There is no room for one more reminder.
    Full,
    /// The address has as many reminders of this campaign as it may.
    AddressFull,
}

/// How many reminders each campaign has, by channel and state. Shared with whoever shows figures.
#[derive(Default)]
pub struct Figures(Mutex<Tallies>);

#[derive(Default)]
struct Tallies {
    campaigns: BTreeMap<CampaignIx, Tally>,
    attempts: u64,
    retries: u64,
}

/// By channel, then state.
pub type Tally = [[u32; State::ALL.len()]; Channel::ALL.len()];

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}

impl Figures {
    /// Return one campaign's tally.
    pub fn of(&self, campaign: CampaignIx) -> Tally {
        self.0.lock().campaigns.get(&campaign).copied().unwrap_or_default()
    }

    /// Return the tally over all campaigns.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.0.lock().campaigns.values() {
            for (sums, counts) in total.iter_mut().zip(tally) {
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
        total
    }

    /// Return attempts and retries since the start.
    pub fn attempts(&self) -> (u64, u64) {
        let tallies = self.0.lock();
        (tallies.attempts, tallies.retries)
    }

    pub(crate) fn attempted(&self, is_retry: bool) {
        let mut tallies = self.0.lock();
        tallies.attempts += 1;
        tallies.retries += u64::from(is_retry);
    }

    /// Return the campaigns that have reminders, and how many of them wait.
    pub(crate) fn waiting(&self) -> Vec<(CampaignIx, u32)> {
        let waits = |tally: &Tally| tally.iter().map(|states| states[0]).sum();
        self.0.lock().campaigns.iter().map(|(ix, tally)| (*ix, waits(tally))).collect()
    }

    pub(crate) fn count(&self, key: Key, state: State, by: i32) {
        let mut tallies = self.0.lock();
        let tally = tallies.campaigns.entry(key.campaign).or_default();
        let count = &mut tally[key.channel as usize][state as usize];
        *count = count.checked_add_signed(by).expect("a reminder is counted before it leaves");
        if *tally == Tally::default() {
            tallies.campaigns.remove(&key.campaign);
        }
    }
}
