//! Policy and models for all campaigns, and the sales under watch. Each is swapped whole: a request in
//! flight ends with what it began with, and none waits.

use super::figures::Scoring;
use super::isolated::{DEADLINE, Isolated};
use super::kept;
use super::outside::Outside;
use super::sale::Sale;
use super::screened::UnderWay;
use super::worker::Worker;
use crate::config::{Config, ConfigErrors, RiskSection};
use arc_swap::{ArcSwap, ArcSwapOption};
use onrush::{Campaign, CampaignIx, Engine, Phase, Timestamp};
use onrush_risk::forest::Forest;
use onrush_risk::limits::SHADOWS_MAX;
use onrush_risk::recording::RecordedRow;
use onrush_risk::{Combined, Guarded, Policy, Scorecard, Scorer};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::SyncSender;

/// Rows that wait to be written; more are lost and counted.
pub(super) const ROWS_WAITING_MAX: usize = 8_192;

/// What a model is called that came over the admin side.
pub(super) const UPLOADED: &str = "uploaded";

/// Everything about risk.
#[derive(Debug)]
pub(crate) struct Risks {
    settings: RiskSection,
    /// Where recordings, the policy in force and its audit go.
    pub(super) folder: Option<PathBuf>,
    pub(super) policy: ArcSwap<Policy>,
    pub(super) models: ArcSwap<Models>,
    pub(super) sales: ArcSwap<BTreeMap<CampaignIx, Arc<Sale>>>,
    /// Taken by whoever opens a sale or changes the policy; never on the hot path.
    pub(super) changing: Mutex<()>,
    pub(super) rows: ArcSwapOption<SyncSender<(CampaignIx, RecordedRow)>>,
    /// Reserves whose connection closed before the ledger decided.
    #[expect(clippy::vec_box, reason = "moved in from where they were boxed")]
    pub(super) left_behind: Mutex<Vec<Box<UnderWay>>>,
    pub(super) scoring: Scoring,
    pub(super) outside: Option<Arc<Outside>>,
    /// The last record that was followed.
    pub(super) followed: AtomicU64,
}

/// The scorer that counts, and those that only record.
#[derive(Debug)]
pub(super) struct Models {
    pub(super) counts: Guarded<Arc<dyn Scorer>>,
    pub(super) shadows: Vec<Guarded<Arc<dyn Scorer>>>,
    pub(super) name: String,
}

impl Risks {
    /// Read policy and models; where risk is looked at, follow the engine.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub(crate) fn open(
        config: &Config,
        engine: &Engine,
    ) -> Result<(Arc<Risks>, Option<Worker>), ConfigErrors> {
        let settings = config.risk.clone();
        let folder = config.side.as_ref().map(|side| side.join("risk"));
        let policy = read_policy(&settings, folder.as_deref())?;
        let models = read_models(&settings, folder.as_deref(), &policy)?;
        let outside = settings.outside.as_ref().map(Outside::load);
        let risks = Arc::new(Risks {
            policy: ArcSwap::from_pointee(policy),
            models: ArcSwap::from_pointee(models),
            sales: ArcSwap::default(),
            changing: Mutex::default(),
            rows: ArcSwapOption::empty(),
            left_behind: Mutex::default(),
            scoring: Scoring::default(),
            outside: outside.transpose()?.map(Arc::new),
            followed: AtomicU64::new(engine.durable_lsn().0),
            settings,
            folder,
        });
        if !risks.settings.enabled {
            return Ok((risks, None));
        }
        if let Some(folder) = &risks.folder {
            std::fs::create_dir_all(folder).map_err(|e| wrong(folder, &e.to_string()))?;
        }
        let worker = Worker::start(engine.clone(), risks.clone());
        let worker = worker.map_err(|e| wrong(Path::new("risk"), &e.to_string()))?;
        Ok((risks, Some(worker)))
    }

    pub(crate) fn settings(&self) -> &RiskSection {
        &self.settings
    }

    /// Return what is known of a campaign; nothing where its risk is not looked at. One load.
    #[inline]
    pub(super) fn sale(&self, campaign: &Campaign, now: Timestamp) -> Option<Arc<Sale>> {
        if !self.settings.enabled {
            return None;
        }
        if let Some(sale) = self.sales.load().get(&campaign.ix()) {
            return Some(sale.clone());
        }
        let live = !matches!(campaign.phase(now), Phase::Draft | Phase::Closed | Phase::Settled);
        live.then(|| self.begun(campaign, now))
    }

    fn begun(&self, campaign: &Campaign, now: Timestamp) -> Arc<Sale> {
        let _one = self.changing.lock();
        let known = self.sales.load_full();
        if let Some(sale) = known.get(&campaign.ix()) {
            return sale.clone();
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let sale = Arc::new(Sale::new(campaign, random, now));
        let mut all = BTreeMap::clone(&known);
        all.insert(campaign.ix(), sale.clone());
        self.sales.store(Arc::new(all));
        sale
    }

    /// Forget the sales that are over: their keys are overwritten with them.
    pub(super) fn end_sales(&self, engine: &Engine, now: Timestamp) {
        let over = |ix: &CampaignIx| {
            let campaigns = engine.campaigns();
            let campaign = campaigns.iter().find(|campaign| campaign.ix() == *ix);
            campaign.is_some_and(|c| matches!(c.phase(now), Phase::Closed | Phase::Settled))
        };
        if !self.sales.load().keys().any(over) {
            return;
        }
        let _one = self.changing.lock();
        let known = self.sales.load();
        let left = known.iter().filter(|(ix, _)| !over(ix));
        let left: BTreeMap<_, _> = left.map(|(ix, sale)| (*ix, sale.clone())).collect();
        self.sales.store(Arc::new(left));
    }

    /// Put another policy in force, for all campaigns.
    pub(super) fn set_policy(&self, policy: Policy) {
        let _one = self.changing.lock();
        for sale in self.sales.load().values() {
            sale.recalibrate(&policy);
        }
        self.policy.store(Arc::new(policy));
    }

    /// Put a scorer of the embedder's in force, on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn set_scorer(&self, scorer: Arc<dyn Scorer>) -> std::io::Result<()> {
        let _one = self.changing.lock();
        let default = self.policy.load().fallback.probability;
        let isolated: Arc<dyn Scorer> = Arc::new(Isolated::start(scorer, DEADLINE)?);
        let counts = Guarded::new(isolated, default);
        let name = "the embedder's".to_owned();
        self.models.store(Arc::new(Models { counts, shadows: Vec::new(), name }));
        Ok(())
    }

    /// Put another model in force, or beside the one that counts.
    pub(super) fn set_model(&self, forest: Forest, name: &str, shadow: bool) {
        let _one = self.changing.lock();
        let default = self.policy.load().fallback.probability;
        let now = self.models.load_full();
        let again =
            |guarded: &Guarded<Arc<dyn Scorer>>| Guarded::new(guarded.inner().clone(), default);
        let models = if shadow {
            let mut shadows: Vec<_> = now.shadows.iter().map(again).collect();
            shadows.insert(0, Guarded::new(Arc::new(forest) as Arc<dyn Scorer>, default));
            shadows.truncate(SHADOWS_MAX);
            Models { counts: again(&now.counts), shadows, name: now.name.clone() }
        } else {
            let shadows = now.shadows.iter().map(again).collect();
            let counts = Guarded::new(with_scorecard(forest), default);
            Models { counts, shadows, name: name.to_owned() }
        };
        self.models.store(Arc::new(models));
    }
}

/// A forest never counts alone: the scorecard keeps what it was not trained on in view.
fn with_scorecard(forest: Forest) -> Arc<dyn Scorer> {
    let parts: Vec<(Arc<dyn Scorer>, f64)> =
        vec![(Arc::new(forest), 2.0), (Arc::new(Scorecard), 1.0)];
    Arc::new(Combined::new(parts).expect("two parts with weights"))
}

fn read_policy(settings: &RiskSection, folder: Option<&Path>) -> Result<Policy, ConfigErrors> {
    // What an operator put in force stays in force over a restart.
    let kept = folder.map(|folder| folder.join("policy.toml")).filter(|file| file.exists());
    let Some(file) = kept.or_else(|| settings.policy_file.clone()) else {
        return Ok(Policy::default());
    };
    let text = std::fs::read_to_string(&file).map_err(|e| wrong(&file, &e.to_string()))?;
    Policy::from_toml(&text).map_err(|e| wrong(&file, &e.to_string()))
}

fn read_models(
    settings: &RiskSection,
    folder: Option<&Path>,
    policy: &Policy,
) -> Result<Models, ConfigErrors> {
    let default = policy.fallback.probability;
    let load = |file: &PathBuf| {
        let bytes = std::fs::read(file).map_err(|e| wrong(file, &e.to_string()))?;
        Forest::load(&bytes).map_err(|e| wrong(file, &e.to_string()))
    };
    // What an operator put in force stays in force over a restart.
    let kept = folder.map(kept::model).filter(|file| file.exists());
    let (scorer, name): (Arc<dyn Scorer>, _) = match (&kept, &settings.model_file) {
        (Some(file), _) => (with_scorecard(load(file)?), UPLOADED.to_owned()),
        (None, None) => (Arc::new(Scorecard), "scorecard".to_owned()),
        (None, Some(file)) => {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (with_scorecard(load(file)?), name)
        }
    };
    let shadow = |file: &PathBuf| {
        let forest: Arc<dyn Scorer> = Arc::new(load(file)?);
        Ok(Guarded::new(forest, default))
    };
    let kept: Vec<PathBuf> = folder.into_iter().flat_map(kept::shadows).collect();
    let shadows = kept.iter().filter(|file| file.exists()).chain(&settings.shadow_files);
    let shadows = shadows.take(SHADOWS_MAX).map(shadow).collect::<Result<_, ConfigErrors>>()?;
    Ok(Models { counts: Guarded::new(scorer, default), shadows, name })
}

fn wrong(file: &Path, problem: &str) -> ConfigErrors {
    ConfigErrors::one(&file.display().to_string(), "risk", problem.to_owned())
}
