//! A reminder to hand over, and a runtime to do it on.

use onrush_notify::send::{Http, Reach, Senders};
use onrush_notify::text::Message;
use onrush_notify::{Address, Entropy, Job, Key, Locale, NoEntropy, Outcome};
use onrush_types::{BuyerDigest, CampaignIx, Timestamp};

/// 2026-12-01T12:00:00Z.
pub(crate) const OPENS: Timestamp = Timestamp(1_796_126_400_000);
/// Ten minutes before.
pub(crate) const NOW: Timestamp = Timestamp(OPENS.0 - 600_000);

pub(crate) struct Counting(pub(crate) u8);

impl Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

pub(crate) fn job(address: Address) -> Job {
    let message = Message {
        locale: Locale::Zh,
        title: "冬季 Drop".to_owned(),
        campaign: "drop".to_owned(),
        when: "2026-12-01 20:00 (UTC+08:00)".to_owned(),
        local: "2026-12-01 20:00".to_owned(),
        opens_at: OPENS,
        link: "https://shop.example/drops/drop".to_owned(),
        unsubscribe: format!("https://drop.shop.example/v1/unsubscribe/{}", "x".repeat(68)),
        subject: "冬季 Drop 将于 2026-12-01 20:00 (UTC+08:00) 开售".to_owned(),
        text: "您预约的「冬季 Drop」即将开售。\n.前往\n".to_owned(),
    };
    let campaign = CampaignIx(3);
    let key = Key { buyer: BuyerDigest([1; 16]), campaign, channel: address.channel() };
    let id = "0123456789abcdef0123456789abcdef".to_owned();
    Job { key, id, attempt: 1, address, message, opens_at: OPENS }
}

pub(crate) fn send(senders: &Senders, address: Address) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let job = job(address);
    let sending = async { senders.send(&job, NOW, &mut Counting(1)).await };
    runtime.expect("a runtime").block_on(sending)
}

pub(crate) fn anywhere() -> Http {
    Http::new(Reach::Anywhere, None).expect("a client")
}

/// Return a port where nobody listens.
pub(crate) fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").port()
}
