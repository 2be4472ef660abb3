//! The words of a report, in English and Chinese. Columns, captions, sentences and the values that are words
//! of ours are keys of this one list; a test looks each of them up.

use crate::args::Lang;

/// One language's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words(Lang);

impl Words {
    pub(super) fn new(lang: Lang) -> Words {
        Words(lang)
    }

    /// Return the text of a key; the key itself where there is none.
    pub(super) fn get(self, key: &'static str) -> &'static str {
        let found = WORDS.iter().find(|(known, ..)| *known == key);
        found.map_or(key, |&(_, en, zh)| match self.0 {
            Lang::En => en,
            Lang::Zh => zh,
        })
    }

    /// Return the language for HTML.
    pub(super) fn lang(self) -> &'static str {
        match self.0 {
            Lang::En => "en",
            Lang::Zh => "zh-CN",
        }
    }
}

/// Key, English, Chinese.
#[rustfmt::skip]
const WORDS: &[(&str, &str, &str)] = &[
    // The page.
    ("title", "Sale report", "销售报告"),
    ("lead", "From the data folder alone: {records} records up to LSN {lsn}. Times are UTC.",
     "仅根据数据文件夹生成：{records} 条记录，至 LSN {lsn}。时间均为 UTC。"),
    ("all_holds", "Everything that was checked holds.", "所有检查均成立。"),
    ("not_holds", "Something does not hold: see the proof and the fairness below.",
     "有检查不成立：见下文“证明”与“公平”。"),
    ("contents", "Contents", "目录"),
    ("nothing", "Nothing of the kind was recorded.", "没有此类记录。"),
    ("more_rows", "{n} more rows; --csv writes all of them.", "另有 {n} 行；用 --csv 可写出全部。"),
    ("yes", "holds", "成立"), ("no", "DOES NOT HOLD", "不成立"),
    // Sections.
    ("overview", "Overview", "概览"), ("timeline", "Timeline", "时间线"), ("funnel", "Funnel", "漏斗"),
    ("skus", "Sell-through by SKU", "各 SKU 售罄情况"),
    ("proof", "Proof of conservation", "守恒证明"), ("fairness", "Fairness", "公平"),
    ("risk", "Risk", "风控"), ("latency", "Latency", "延迟"),
    ("unserved", "Demand that was not served", "未满足的需求"),
    ("routing", "Routing", "订单路由"), ("refunds", "Refunds", "退款"),
    ("sellers", "Guides and stores", "导购与门店"), ("by_hand", "Done by hand", "人工操作"),
    // Captions of tables that are not a section's name.
    ("campaigns", "Campaigns", "活动"), ("sources", "By channel and touchpoint", "按渠道与触点"),
    ("journal", "The journal", "日志"), ("checks", "Checks", "检查"),
    ("examples", "What was found", "发现的问题"), ("lines", "Lines", "排队"),
    ("draws", "Draws, repeated from the journal", "根据日志重算的抽签"), ("tiers", "Tiers", "层级"),
    ("risk_actions", "Decisions", "处置"), ("risk_scores", "Scores", "评分"),
    ("risk_ends", "How holds ended", "占用的结局"), ("risk_audit", "Changes of policy and model", "策略与模型的变更"),
    ("reviews", "Reviews", "人工审核"), ("late_money", "Payments after the deadline", "超时后的付款"),
    ("batches", "Writes and syncs", "写入与同步"), ("unserved_skus", "By SKU", "按 SKU"),
    ("unserved_regions", "By region", "按地区"), ("orders", "Orders", "订单"), ("stores", "Stores", "门店"),
    ("refunds_open", "Refunds due", "待退款"),
    // Charts.
    ("chart_whole", "The whole time", "全程"), ("chart_opening", "The first ten minutes", "开售后十分钟"),
    ("axis_minutes", "minutes since the first event", "距首个事件的分钟数"),
    ("axis_seconds", "seconds since the opening", "距开售的秒数"), ("axis_a_second", "a second", "每秒"),
    ("joins", "joins", "加入排队"), ("holds", "holds", "占用"), ("sales", "sales", "成交"),
    // Columns.
    ("campaign", "campaign", "活动"), ("phase", "phase", "阶段"), ("opened_at", "opened", "开售"),
    ("closed_at", "closed", "结束"), ("supplied", "supplied", "供货"), ("sold_units", "units sold", "售出件数"),
    ("sell_through", "sell-through", "售罄率"), ("sold", "sold", "已售"), ("amount", "amount", "金额"),
    ("currency", "currency", "币种"), ("at", "at", "时间"), ("width_ms", "width, ms", "宽度（毫秒）"),
    ("step", "step", "步骤"), ("people", "people", "人数"), ("of_step_before", "of the step before", "占上一步"),
    ("channel", "channel", "渠道"), ("touchpoint", "touchpoint", "触点"),
    ("sold_of_holds", "sold, of holds", "成交占占用"), ("kind", "kind", "类别"), ("name", "name", "名称"),
    ("sku", "SKU", "SKU"), ("free", "free", "可售"), ("held", "held", "占用中"), ("withdrawn", "withdrawn", "撤回"),
    ("first_sold_at", "first sale", "首笔成交"), ("last_sold_at", "last sale", "末笔成交"),
    ("all_taken_after_ms", "all taken after the opening", "开售后占满用时"),
    ("fact", "fact", "事实"), ("value", "value", "值"), ("holds_word", "holds", "成立"),
    ("must_not_be", "must not be there", "不应存在"), ("found", "found", "发现"),
    ("looked_at", "looked at", "检查数"), ("counted", "of", "对象"), ("promise", "promise", "承诺"),
    ("example", "example", "示例"), ("tickets", "tickets", "号码数"), ("called_up", "called up", "已叫号"),
    ("used_pass", "pass used", "已用通行证"), ("not_come", "not come", "未到"), ("came_back", "came back", "返回"),
    ("out_of_turn", "out of turn", "插队"), ("uniformity_p", "even draw, p", "抽签均匀性 p"),
    ("eta_within_p50", "real waits within shown p50", "实际等待在所示 p50 内"),
    ("eta_within_p90", "real waits within shown p90", "实际等待在所示 p90 内"),
    ("tier", "tier", "层级"), ("weight", "weight", "权重"), ("wait_p50_ms", "wait, p50", "等待 p50"),
    ("wait_p90_ms", "wait, p90", "等待 p90"), ("lane", "lane", "通道"), ("commitment", "promised", "承诺值"),
    ("list_digest", "digest of the list", "名单摘要"), ("faults", "faults", "问题"),
    ("recording", "recording", "录制"), ("stage", "stage", "环节"), ("admit", "admitted", "放行"),
    ("challenge", "challenged", "质询"), ("review", "for review", "待审核"), ("refuse", "refused", "拒绝"),
    ("from", "from", "自"), ("to", "to", "至"), ("requests", "requests", "请求数"),
    ("released", "given up", "主动放弃"), ("expired", "expired", "过期"), ("cancelled", "cancelled", "已取消"),
    ("unreadable", "unreadable rows", "无法读取的行"), ("who", "who", "谁"), ("what", "what", "做了什么"),
    ("why", "why", "原因"), ("did", "did", "操作"), ("on", "to what", "对象"),
    ("accepted", "accepted", "通过"), ("rejected", "rejected", "驳回"), ("span", "from, to", "区间"),
    ("count", "count", "次数"), ("p50_ms", "p50", "p50"), ("p90_ms", "p90", "p90"), ("p99_ms", "p99", "p99"),
    ("max_ms", "longest", "最长"), ("retaken", "found units again", "重新获得库存"),
    ("too_late", "found none, due back", "无库存，应退款"), ("syncs", "syncs", "同步次数"),
    ("records_mean", "records a sync, mean", "每次同步记录数（均值）"), ("records_p50", "p50", "p50"),
    ("records_p99", "p99", "p99"), ("records_max", "most", "最多"), ("bytes", "bytes", "字节"),
    ("unpaid_holds", "holds not paid", "未付款的占用"), ("unpaid_units", "their units", "其件数"),
    ("too_late_units", "units of late money without stock", "超时付款无库存的件数"),
    ("wishes", "wishes on the waitlist", "候补登记"), ("wished_units", "units wished for", "候补件数"),
    ("offered_units", "units offered", "已提供件数"), ("left", "left", "离开"),
    ("skipped", "skipped at the limit", "因限购跳过"), ("unrouted_units", "sold, with no store to send them", "已售而无门店可发"),
    ("region", "region", "地区"), ("split", "split", "拆单"),
    ("resourced", "planned again", "重新路由"), ("plans_max", "plans at most", "最多路由次数"),
    ("collected", "collected", "已自提"), ("open_units", "units without a store", "未分配件数"),
    ("store", "store", "门店"), ("shipments", "shipments", "发货单"), ("units", "units", "件数"),
    ("assigned", "to do", "待处理"), ("handed_over", "handed over", "已交付"),
    ("promise_kept", "in the promised time", "按承诺时间"), ("not_in_stock", "refused: not in stock", "拒单：缺货"),
    ("damaged", "refused: damaged", "拒单：破损"), ("too_busy", "refused: too busy", "拒单：忙"),
    ("taken_back", "taken back", "收回"), ("refund", "refund", "退款编号"), ("reservation", "reservation", "预订"),
    ("provider", "provider", "支付方"), ("due", "due", "待退"), ("due_amount", "amount due", "待退金额"),
    ("paid_out", "paid out", "已退"), ("paid_out_amount", "amount paid out", "已退金额"),
    // Values.
    ("draft", "draft", "草稿"), ("scheduled", "scheduled", "已排期"), ("preheat", "preheat", "预热"),
    ("draw", "draw", "抽签"), ("open", "open", "开售中"), ("paused", "paused", "已暂停"),
    ("closed", "closed", "已结束"), ("settled", "settled", "已结清"), ("others", "all others", "其他"),
    ("joined", "joined the line", "加入排队"), ("guide", "guide", "导购"), ("joining", "joining", "加入排队"),
    ("reserving", "reserving", "预订"), ("records", "records", "记录"), ("oldest_lsn", "oldest LSN", "最早 LSN"),
    ("last_lsn", "last LSN", "最后 LSN"), ("chain", "hash of the chain", "链哈希"),
    ("torn_tail", "torn tail, nobody was told of it", "尾部残缺（未告知任何人）"),
    ("hold_to_paid", "hold → paid", "占用 → 付款"), ("sold_to_planned", "sold → planned at a store", "成交 → 分配门店"),
    ("sold_to_handed_over", "sold → handed over by the store", "成交 → 门店交付"),
    ("did_phase", "set the phase", "切换阶段"), ("did_supply", "added units", "追加供货"),
    ("did_extend", "put deadlines off", "延长占用"),
    ("did_withdraw", "withdrew units", "撤回件数"), ("did_outflow", "changed the outflow", "调整放行速度"),
    ("did_public_value", "set the public value", "设置公开值"), ("did_policy", "put a routing policy", "更换路由策略"),
    // Checks, by the names that `onrush verify` gives them, and what each looks at.
    ("faults in the ledger's own audit", "faults in the ledger's own audit", "账本自查发现的错误"),
    ("records out of order", "records out of order", "次序错误的记录"),
    ("LSNs at which stock was oversold", "LSNs at which stock was oversold", "出现超卖的 LSN"),
    ("LSNs at which a limit was broken", "LSNs at which a limit was broken", "突破限购的 LSN"),
    ("reservations with two outcomes", "reservations with two outcomes", "有两种结局的预订"),
    ("holds or expiries at the wrong time", "holds or expiries at the wrong time", "时间不当的占用或过期"),
    ("payments booked twice", "payments booked twice", "重复入账的付款"),
    ("LSNs at which a store gave what it had not", "LSNs at which a store gave what it had not", "门店发出其没有之物的 LSN"),
    ("sales routed twice, or not whole", "sales routed twice, or not whole", "重复或不完整的路由"),
    ("reservations", "reservations", "预订"), ("stock records", "stock records", "库存记录"),
    ("outcomes", "outcomes", "结局"), ("holds, expiries", "holds, expiries", "占用与过期"),
    ("payments", "payments", "付款"), ("plans, hand-overs", "plans, hand-overs", "分配与交付"),
    ("store records", "store records", "门店记录"),
    // Sentences.
    ("note_timeline", "Joins of the line, holds and sales a second, from the stamps of their records. Requests that were refused leave no record.",
     "按记录时间统计的每秒加入排队、占用与成交。被拒绝的请求不留记录。"),
    ("note_funnel", "Channel and touchpoint are what the request said when it reserved; who never held a unit is known to the line only.",
     "渠道与触点取自预订请求；从未占用过库存的人仅在排队中可见。"),
    ("note_proof", "Every record was replayed and counted twice, by the ledger and by a second program, as `onrush verify` does. The hash stands for the whole journal: whoever has an equal folder gets an equal hash.",
     "每条记录均重放并计算两遍（账本与独立程序），与 `onrush verify` 相同。哈希代表整个日志：文件夹相同，哈希必相同。"),
    ("note_fairness", "Places were computed again from the list, the seed and the turn. “Out of turn” must be 0; an even draw has a p above 0.001. What the draw proves to whom: docs/draw.md.",
     "名次由名单、种子与转数重新计算。“插队”必须为 0；均匀抽签的 p 大于 0.001。抽签对谁证明了什么：docs/draw.md。"),
    ("note_no_recording", "No recording of risk: set risk.record = true before the next sale.",
     "没有风控录制：下次开售前设置 risk.record = true。"),
    ("note_many_recordings", "There are more than 1,000 recordings; the first 1,000 by name are told.",
     "录制超过 1,000 份；仅列出按名称排序的前 1,000 份。"),
    ("note_latency", "Between stamps of records. The journal cannot tell how long a request, a page or a sync took, nor who gave up before being answered: /metrics does, while the server runs.",
     "取自记录时间戳之差。日志不知道请求、页面或同步耗时，也不知道谁在得到答复前离开：服务运行时请看 /metrics。"),
    ("note_unserved", "What the journal knows: holds that were not paid, late money without stock, wishes on the waitlist. Who was told “sold out” leaves no record.",
     "日志所知：未付款的占用、超时付款无库存、候补登记。被告知“售罄”者不留记录。"),
    ("note_regions", "Regions are squares of one degree; squares with fewer than 5 holds are counted together.",
     "地区为一度见方的格子；占用少于 5 次的格子合并计算。"),
    ("note_routing", "A promise was kept when the store handed the shipment over, or the buyer collected it, before the promised time. When a parcel arrived is not in the journal.",
     "门店在承诺时间前交付或买家在此前自提即为守约。包裹何时送达不在日志中。"),
    ("note_refunds", "`onrush export --what refunds` has the payment providers' references.",
     "`onrush export --what refunds` 含支付方的参考号。"),
    ("note_by_hand_more", "Only the first 10,000 are listed.", "仅列出前 10,000 条。"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_key_is_there_once_in_both_languages() {
        let mut seen = HashSet::new();
        for (key, en, zh) in WORDS {
            assert!(seen.insert(key), "{key} stands twice");
            assert!(!en.is_empty() && !zh.is_empty(), "{key}");
        }
    }

    #[test]
    fn every_check_has_its_words() {
        let verdict = onrush_load::history::History::default().verdict();
        for check in &verdict.checks {
            for key in [check.name, check.what] {
                assert!(WORDS.iter().any(|(known, ..)| *known == key), "{key} has no words");
            }
        }
    }

    #[test]
    fn what_is_filled_in_is_filled_in_in_both() {
        for (key, en, zh) in WORDS {
            let gaps = |text: &str| {
                let parts = text.split('{').skip(1).filter_map(|part| part.split_once('}'));
                parts.map(|(name, _)| name.to_owned()).collect::<HashSet<_>>()
            };
            assert_eq!(gaps(en), gaps(zh), "{key}");
        }
    }
}
