//! One script in Redis for each wish, over one connection that carries many at a time.

use super::{Decide, Outcome, Wish};
use anyhow::Result;
use redis::aio::MultiplexedConnection;

/// The connection and the name of the script.
pub(super) struct Desk {
    redis: MultiplexedConnection,
    sha: String,
}

impl Desk {
    /// Connect.
    pub(super) async fn open(url: &str, sha: &str) -> Result<Desk> {
        let redis = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Desk { redis, sha: sha.to_owned() })
    }
}

impl Decide for Desk {
    async fn decide(&self, Wish { sku, buyer, key }: &Wish) -> Result<Outcome> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.sha).arg(3);
        for kind in ["stock:", "buyers:", "orders:"] {
            command.arg([kind, sku].concat());
        }
        let mut redis = self.redis.clone();
        let line: String = command.arg(buyer).arg(key).query_async(&mut redis).await?;
        let (name, id) = line.split_once(' ').unwrap_or((&line, ""));
        Outcome::named(name, id.parse().ok())
    }
}
