//! The tables of the side store and the bytes of their keys, big-endian so that they sort.
//!
//! | table | key | value |
//! |---|---|---|
//! | `reminders` | buyer 16 │ campaign 2 │ channel 1 | a row |
//! | `queue` | campaign 2 │ at ms 8 │ buyer 16 │ channel 1 | nothing |
//! | `persons` | buyer 16 | slot of their key, live reminders |
//! | `meta` | `secret` | what tells whether this is the secret the store was made with |
//! | `addresses` | campaign 2 │ keyed digest 16 | live reminders to that address |

use crate::address::Channel;
use crate::records::Key;
use onrush_types::{BuyerDigest, CampaignIx};
use redb::TableDefinition;

pub(crate) type RowKey = [u8; 19];
pub(crate) type QueueKey = [u8; 27];
pub(crate) type AddressKey = [u8; 18];

pub(crate) const REMINDERS: TableDefinition<'static, RowKey, &[u8]> =
    TableDefinition::new("reminders");
pub(crate) const QUEUE: TableDefinition<'static, QueueKey, ()> = TableDefinition::new("queue");
pub(crate) const PERSONS: TableDefinition<'static, [u8; 16], (u32, u32)> =
    TableDefinition::new("persons");
pub(crate) const META: TableDefinition<'static, &str, [u8; 32]> = TableDefinition::new("meta");
pub(crate) const ADDRESSES: TableDefinition<'static, AddressKey, u8> =
    TableDefinition::new("addresses");

pub(crate) fn row_key(key: Key) -> RowKey {
    let mut bytes = [0; 19];
    bytes[..16].copy_from_slice(&key.buyer.0);
    bytes[16..18].copy_from_slice(&key.campaign.0.to_be_bytes());
    bytes[18] = key.channel as u8;
    bytes
}

pub(crate) fn key_of_row(bytes: &RowKey) -> Option<Key> {
    Some(Key {
        buyer: BuyerDigest(*bytes.first_chunk()?),
        campaign: CampaignIx(u16::from_be_bytes([bytes[16], bytes[17]])),
        channel: Channel::numbered(bytes[18])?,
    })
}

pub(crate) fn queue_key(key: Key, at: u64) -> QueueKey {
    let mut bytes = [0; 27];
    bytes[..2].copy_from_slice(&key.campaign.0.to_be_bytes());
    bytes[2..10].copy_from_slice(&at.to_be_bytes());
    bytes[10..26].copy_from_slice(&key.buyer.0);
    bytes[26] = key.channel as u8;
    bytes
}

/// The first key after everything of `campaign` up to and including `at`.
pub(crate) fn queue_end(campaign: CampaignIx, at: u64) -> QueueKey {
    let mut bytes = [0xff; 27];
    bytes[..2].copy_from_slice(&campaign.0.to_be_bytes());
    bytes[2..10].copy_from_slice(&at.to_be_bytes());
    bytes
}

pub(crate) fn queue_start(campaign: CampaignIx) -> QueueKey {
    let mut bytes = [0; 27];
    bytes[..2].copy_from_slice(&campaign.0.to_be_bytes());
    bytes
}

pub(crate) fn key_of_queue(bytes: &QueueKey) -> Option<Key> {
    Some(Key {
        buyer: BuyerDigest(*bytes[10..].first_chunk()?),
        campaign: CampaignIx(u16::from_be_bytes([bytes[0], bytes[1]])),
        channel: Channel::numbered(bytes[26])?,
    })
}

pub(crate) fn address_key(campaign: CampaignIx, digest: &[u8; 16]) -> AddressKey {
    let mut bytes = [0; 18];
    bytes[..2].copy_from_slice(&campaign.0.to_be_bytes());
    bytes[2..].copy_from_slice(digest);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_sort_by_time_within_a_campaign() {
        for channel in Channel::ALL {
            let key = Key { buyer: BuyerDigest([7; 16]), campaign: CampaignIx(258), channel };
            assert_eq!(key_of_row(&row_key(key)), Some(key));
            assert_eq!(key_of_queue(&queue_key(key, 9)), Some(key));
            assert!(queue_key(key, 9) < queue_key(key, 256));
            assert!(queue_start(key.campaign) < queue_key(key, 0));
            assert!(queue_key(key, 9) < queue_end(key.campaign, 9));
            assert!(queue_end(key.campaign, 9) < queue_key(key, 10));
            assert!(queue_end(key.campaign, u64::MAX) < queue_start(CampaignIx(259)));
        }
        assert_eq!(key_of_row(&[9; 19]), None);
    }
}
