//! Handing a reminder over, and what came of it.
//!
//! The question after a failure is always the same: can the other side have it? Only a clear "no"
//! (it could not be reached, or it answered so) is tried again; everything else is
//! [`Outcome::Unknown`] and final.

mod guard;
mod http;
mod mail;
mod push;
mod vapid;
mod webhook;
mod wechat;

pub use guard::is_public;
pub use http::{Http, Reach, Target, TargetError};
pub use mail::{MailSender, MailServer, MailTls, is_mailbox};
pub use push::{PushHosts, PushSender, encrypt};
pub use vapid::Vapid;
pub use webhook::{WebhookSender, signature};
pub use wechat::{WechatSender, WechatTemplate};

use crate::address::{Address, Channel};
use crate::entropy::Entropy;
use crate::limits::SEND_MS_MAX;
use crate::notifier::Job;
use onrush_types::{DurationMs, Timestamp};
use std::time::Duration;

/// What came of handing a reminder over. The reasons never hold an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side has it.
    Sent,
    /// The other side does not have it and may take it later.
    Later {
        /// The least wait it asked for.
        after: Option<DurationMs>,
        /// Why.
        why: &'static str,
    },
    /// The other side does not want it, now or ever.
    Refused(&'static str),
    /// Nobody can tell whether the other side has it.
    Unknown(&'static str),
}

/// Every channel that is configured.
#[derive(Debug, Default)]
pub struct Senders {
    /// The shop's own system.
    pub webhook: Option<WebhookSender>,
    /// Web Push.
    pub push: Option<PushSender>,
    /// Mail.
    pub mail: Option<MailSender>,
    /// WeChat.
    pub wechat: Option<WechatSender>,
}

impl Senders {
    /// Return the channels that are configured.
    pub fn channels(&self) -> Vec<Channel> {
        let has = |channel: &Channel| match channel {
            Channel::Webhook => self.webhook.is_some(),
            Channel::Push => self.push.is_some(),
            Channel::Mail => self.mail.is_some(),
            Channel::Wechat => self.wechat.is_some(),
        };
        Channel::ALL.into_iter().filter(has).collect()
    }

    /// Tell what is wrong with an address that only its sender can know.
    ///
    /// # Errors
    /// Words for the buyer's client.
    pub fn check(&self, address: &Address) -> Result<(), String> {
        match (address, &self.push) {
            (Address::Push(subscription), Some(push)) => push.check(&subscription.endpoint),
            _ => Ok(()),
        }
    }

    /// Hand one reminder over, within [`SEND_MS_MAX`].
    pub async fn send(
        &self,
        job: &Job,
        now: Timestamp,
        entropy: &mut (dyn Entropy + Send),
    ) -> Outcome {
        let hand_over = async {
            match &job.address {
                Address::Webhook(reference) => match &self.webhook {
                    Some(sender) => sender.send(job, reference, now).await,
                    None => NOT_CONFIGURED,
                },
                Address::Push(subscription) => match &self.push {
                    Some(sender) => sender.send(job, subscription, now, entropy).await,
                    None => NOT_CONFIGURED,
                },
                Address::Mail(mailbox) => match &self.mail {
                    Some(sender) => sender.send(job, mailbox, now).await,
                    None => NOT_CONFIGURED,
                },
                Address::Wechat(openid) => match &self.wechat {
                    Some(sender) => sender.send(job, openid, now).await,
                    None => NOT_CONFIGURED,
                },
            }
        };
        // Each sender bounds what comes before the hand-over itself and calls that `Later`.
        let most = Duration::from_millis(SEND_MS_MAX);
        match tokio::time::timeout(most, hand_over).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Unknown("no answer in time"),
        }
    }
}

const NOT_CONFIGURED: Outcome = Outcome::Refused("the channel is no longer configured");
