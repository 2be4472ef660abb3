//! Opportunity prices: what a unit at a node would be worth to orders still to come.
//!
//! The forecast is a list of order classes with expected counts. The *fluid* problem serves them at
//! least cost from the stock that is left, and its dual values are the prices: shipping a unit now
//! costs its price in savings later orders lose. The dual is a concave maximisation; one step of it
//! is the exact decision for every class under the current prices, so the solver is the router
//! itself, called a few hundred times ([`fluid`]). Prices are solved again every few orders from
//! what is left of stock and demand, and follow single orders in between ([`pricer`]).
//!
//! Sources: deterministic linear program and its re-solving for fulfilment (Jasin and Sinha 2015,
//! *Operations Research* 63:1336; Jasin and Kumar 2012); bid prices (Talluri and van Ryzin 1998);
//! subgradient optimisation with averaging (Nedić and Ozdaglar 2009). Prices of capacity slots rise
//! exponentially with their use (online primal-dual, Buchbinder and Naor 2009).

pub mod fluid;
pub mod forecast;
pub mod pricer;

pub use forecast::Forecast;
pub use pricer::Pricer;
