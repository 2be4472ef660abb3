// What the console says, in two languages.
import { signal } from "@preact/signals";

const EN = {
  title: "Onrush console", signIn: "Sign in", key: "API key with the scope admin", keyWrong: "This key is not accepted.", signOut: "Sign out",
  campaign: "Campaign", none: "There is no campaign yet.", other: "中文", stale: "No answer from the server; the figures are old.",
  scheduled: "scheduled", preheat: "joining", draw: "draw", open: "open", paused: "paused", closed: "closed", settled: "settled",
  opens: "opens", closes: "closes", rates: "People and units a second", joins: "joining", holds: "holds", sales: "sales", latency: "Reserve, milliseconds",
  p50: "half within", p99: "99 of 100 within", stock: "Stock", sku: "SKU", free: "free", held: "held", sold: "sold", supplied: "supplied", waiting: "waiting",
  line: "The line", joined: "joined", serving: "called up", outstanding: "passes out", perMinute: "called up a minute", listeners: "listening", noLine: "This campaign has no line.",
  sources: "By channel and touchpoint", source: "came by", arrived: "arrived", checked: "check answered", calledUp: "called up", together: "together", noSource: "not said", otherSources: "all others", nobody: "Nobody came yet.", sinceStart: "Counted since the server started; the report has the whole sale.",
  funnel: "From joining to paying", used: "passes used", machine: "Machine", connections: "open connections", sync: "journal sync, mean ms", lsn: "durable record", healthy: "journal",
  good: "good", failed: "failed", inFlight: "reserves under way", vetoes: "vetoes", refunds: "refunds due", stores: "Stores", noStores: "There are no stores.", storesMap: "stores as dots; north is up",
  rules: "Decisions by rule of the policy", rule: "Rule",
  waves: "Waves: units that come at planned times", wavesShow: "Show waves", wavesNone: "None is planned.", waveAt: "At", waveAdd: "One more wave", waveDrop: "Take it out", wavesPut: "Plan them so", wavesSure: "Yes, plan them so",
  promises: "Waits held against what was told", withinMiddle: "no longer than half should be (of 100)", withinRange: "no longer than told (90 of 100 should)", inRange: "inside the range told (of 100)", offBy: "median distance from the middle, seconds",
  stopAll: "Pause every sale", stopSure: "Yes, pause every sale that is open", stopped: "Sales paused", stopFailed: "These could not be paused",
  extend: "Put deadlines off, minutes", extendAll: "All live holds", extendOne: "One reservation (number)", extendSure: "Yes, put them off", putOff: "Put off", extended: "put off",
  controls: "Controls", reason: "Reason (kept for the audit)", pause: "Pause", resume: "Resume", end: "End for good", confirmEnd: "Type the campaign's name to end it for good",
  supply: "Add units (negative withdraws)", units: "Units", apply: "Apply", outflow: "People called up a second (0: as the stock allows)", finish: "At this pace everybody in line is called up in about",
  minutes: "min", message: "Message to everybody", say: "Say it", takeBack: "Take it back", done: "Done.", search: "Find a reservation", id: "Reservation number", find: "Find",
  state: "state", expires: "held until", price: "price", payments: "payments", notFound: "There is no such reservation.", cancel: "Cancel this sale",
  views: "Views", viewSale: "Sale", viewOrders: "Orders", viewRisk: "Risk", viewStores: "Stores", viewCampaigns: "Campaigns", viewPeople: "People", signedInAs: "Signed in as",
  viewer: "viewer", operator: "operator", owner: "owner", reservations: "Reservations", more: "More", timeline: "What happened", reading: "Reading the journal…", from: "The journal that is kept begins at record",
  refundsDue: "Refunds due", noRefunds: "No refund is due.", reference: "Reference of the refund", markPaid: "It was paid back", money: "Money", orders: "Orders at stores", noOrders: "There are no orders.", why: "Why", shipments: "Shipments", all: "all", unrouted: "without a store", assigned: "at a store", handed_over: "handed over", cancelled: "cancelled",
  noRisk: "Risk is not looked at in this campaign.", decisions: "Decisions", admit: "admitted", weight: "less weight", challenge: "challenge", review: "review", refuse: "refused", capped: "over the cap of a cluster", shortened: "shorter holds", issued: "challenges given out", passed: "answered", failedCount: "answered wrongly", thresholds: "Thresholds of the rules", reasons: "Reasons, by how often they counted", latest: "Latest decisions", score: "score", policy: "Policy", putPolicy: "Put in force", model: "Scorer", reminders: "Reminders that wait", remindersFailed: "Reminders that failed",
  geojson: "Your own map (GeoJSON, kept in this browser)", noMap: "Take the map away", badMap: "This is no GeoJSON with lines or areas.", simulate: "What would become of an order", lat: "Latitude", lon: "Longitude", delivery: "Delivery", quantity: "Quantity", other_policy: "Another policy (TOML); empty: only the one in force", plan: "Plan", inForce: "With the policy in force", withOther: "With the other policy", nothing: "No store serves it.", promised: "promised by",
  editor: "Campaign", newName: "Name", load: "Load", clone: "Use as a new campaign of this name", check: "Check, change nothing", save: "Put it", preview: "Preview", publicAt: "Address of the buyers' side", asJson: "The whole campaign", isNew: "This makes a new campaign.", isOld: "This changes a campaign that there is.", same: "Nothing changes.", skusNew: "New SKUs", skusChanged: "SKUs with another price or limit", skusLeft: "SKUs that stay although they are left out", unitsNew: "Units supplied with them", warnings: "Rarely meant", badJson: "This is not JSON:",
  opens_at_once: "It opens at once: its start is in the past.", opened_by_hand: "It has no start: an operator opens it.", closed_by_hand: "It has no end: an operator ends it.", wave_in_the_past: "A wave is in the past.", no_units: "It has no units.", no_line: "It has no line: whoever is first buys.", draft: "It is a draft: buyers do not see it.", running: "The sale is running.", over: "The sale is over.",
  under_review: "held for a look", offered: "offered", paid_in_part: "paid in part", paid: "paid", paid_late: "paid late", paid_for_nothing: "paid for nothing", released: "given up", expired: "expired", accepted: "accepted", rejected: "rejected", refunded: "refunded", routed: "routed", refused_by_store: "refused by a store", dispatched: "dispatched", collected: "collected", until: "until", restock: "units free again:", provider: "by", method: "with",
  accept: "Accept it", reject: "Reject it", freeAgain: "its units are free again",
  links: "A one-time link for somebody", role: "Role", make: "Make the link", linkHow: "Send it to them. It works once, within 30 minutes.", useLink: "Or open the link that the server printed at its start.",
};
const ZH: typeof EN = {
  title: "Onrush 控制台", signIn: "登录", key: "具有 admin 权限的 API 密钥", keyWrong: "此密钥不被接受。", signOut: "退出",
  campaign: "活动", none: "还没有活动。", other: "English", stale: "服务器没有回应，以下数据已过时。",
  scheduled: "已安排", preheat: "加入中", draw: "抽签", open: "进行中", paused: "已暂停", closed: "已结束", settled: "已结算",
  opens: "开始", closes: "结束", rates: "每秒人数与件数", joins: "加入", holds: "预留", sales: "售出", latency: "预留耗时（毫秒）",
  p50: "一半不超过", p99: "99% 不超过", stock: "库存", sku: "SKU", free: "可售", held: "保留", sold: "售出", supplied: "供应", waiting: "候补",
  line: "队列", joined: "已加入", serving: "已叫号", outstanding: "未用通行证", perMinute: "每分钟叫号", listeners: "在线监听", noLine: "此活动没有队列。",
  sources: "按渠道与触点", source: "来源", arrived: "到达", checked: "通过验证", calledUp: "已叫号", together: "合计", noSource: "未说明", otherSources: "其他", nobody: "还没有人来。", sinceStart: "自服务器启动起统计；完整数据见报告。",
  funnel: "从加入到付款", used: "已用通行证", machine: "机器", connections: "连接数", sync: "日志同步均值（毫秒）", lsn: "已落盘记录", healthy: "日志",
  good: "正常", failed: "故障", inFlight: "进行中的预留", vetoes: "否决", refunds: "待退款", stores: "门店", noStores: "没有门店。", storesMap: "家门店以圆点表示，上方为北",
  rules: "各策略规则的决定次数", rule: "规则",
  waves: "波次：按计划时间补货", wavesShow: "显示波次", wavesNone: "没有计划。", waveAt: "时间", waveAdd: "增加波次", waveDrop: "移除", wavesPut: "按此计划", wavesSure: "确认计划",
  promises: "已对照的等待次数", withinMiddle: "不超过预计中位（%）", withinRange: "不超过预计上限（%，应为 90）", inRange: "落在预计范围内（%）", offBy: "与中位的中位偏差（秒）",
  stopAll: "暂停所有销售", stopSure: "确认：暂停所有进行中的销售", stopped: "已暂停的销售", stopFailed: "以下活动未能暂停",
  extend: "延长保留（分钟）", extendAll: "所有有效保留", extendOne: "单个预留（编号）", extendSure: "确认延长", putOff: "延长", extended: "已延长",
  controls: "操作", reason: "原因（会被审计记录）", pause: "暂停", resume: "恢复", end: "永久结束", confirmEnd: "输入活动名称以永久结束",
  supply: "增加件数（负数为撤回）", units: "件数", apply: "执行", outflow: "每秒叫号人数（0：按库存）", finish: "按此速度，队列中所有人大约叫完需",
  minutes: "分钟", message: "给所有人的消息", say: "发布", takeBack: "撤回", done: "已完成。", search: "查找预留", id: "预留编号", find: "查找",
  state: "状态", expires: "保留至", price: "价格", payments: "付款", notFound: "没有这个预留。", cancel: "取消此销售",
  views: "视图", viewSale: "销售", viewOrders: "订单", viewRisk: "风控", viewStores: "门店", viewCampaigns: "活动", viewPeople: "人员", signedInAs: "已登录：",
  viewer: "查看者", operator: "操作员", owner: "所有者", reservations: "预留列表", more: "更多", timeline: "经过", reading: "正在读取日志…", from: "保留的日志起始于记录",
  refundsDue: "待退款", noRefunds: "没有待退款。", reference: "退款凭证号", markPaid: "已退款", money: "金额", orders: "门店订单", noOrders: "没有订单。", why: "原因", shipments: "发货", all: "全部", unrouted: "未分配", assigned: "在门店", handed_over: "已交付", cancelled: "已取消",
  noRisk: "此活动未启用风控。", decisions: "决定", admit: "放行", weight: "降低权重", challenge: "验证", review: "人工审核", refuse: "拒绝", capped: "超过群组上限", shortened: "缩短保留", issued: "已发出的验证", passed: "已通过", failedCount: "未通过", thresholds: "各规则阈值", reasons: "原因（按出现次数）", latest: "最近的决定", score: "分数", policy: "策略", putPolicy: "启用", model: "评分器", reminders: "待发提醒", remindersFailed: "失败的提醒",
  geojson: "自己的地图（GeoJSON，仅保存在此浏览器）", noMap: "移除地图", badMap: "这不是包含线或面的 GeoJSON。", simulate: "模拟一个订单", lat: "纬度", lon: "经度", delivery: "配送方式", quantity: "数量", other_policy: "另一套策略（TOML），留空则只用现行策略", plan: "计算", inForce: "现行策略", withOther: "另一套策略", nothing: "没有门店可以服务。", promised: "承诺时间",
  editor: "活动", newName: "名称", load: "载入", clone: "以此名称新建", check: "检查（不做更改）", save: "保存", preview: "预览", publicAt: "买家端地址", asJson: "完整活动内容", isNew: "将新建一个活动。", isOld: "将更改已有的活动。", same: "没有变化。", skusNew: "新增 SKU", skusChanged: "价格或限购有变的 SKU", skusLeft: "未写出但仍保留的 SKU", unitsNew: "随之供应的件数", warnings: "请确认", badJson: "不是 JSON：",
  opens_at_once: "开始时间已过，将立即开始。", opened_by_hand: "没有开始时间，需手动开始。", closed_by_hand: "没有结束时间，需手动结束。", wave_in_the_past: "有补货时间已过。", no_units: "没有库存。", no_line: "没有队列，先到先得。", draft: "草稿，买家看不到。", running: "活动正在进行。", over: "活动已结束。",
  under_review: "保留待审核", offered: "已提供", paid_in_part: "部分付款", paid: "已付款", paid_late: "逾期付款", paid_for_nothing: "无效付款", released: "已放弃", expired: "已超时", accepted: "审核通过", rejected: "审核拒绝", refunded: "已退款", routed: "已分配门店", refused_by_store: "门店拒绝", dispatched: "已发出", collected: "已自提", until: "至", restock: "件数回库：", provider: "提供方", method: "方式",
  accept: "通过", reject: "拒绝", freeAgain: "件数重新可售",
  links: "为他人生成一次性链接", role: "角色", make: "生成链接", linkHow: "请发给对方。30 分钟内可使用一次。", useLink: "或打开服务器启动时打印的链接。",
};

export const lang = signal<"en" | "zh">(navigator.language.startsWith("zh") ? "zh" : "en");
export const t = (key: keyof typeof EN): string => (lang.value === "zh" ? ZH : EN)[key];
export type Word = keyof typeof EN;
/** The text of a word that the server said, or the word itself. */
export const word = (said: string): string => (said in EN ? t(said as Word) : said);
export const phaseWord = (phase: string): string => t(phase as keyof typeof EN) ?? phase;
export const turnLang = (): void => {
  lang.value = lang.value === "zh" ? "en" : "zh";
  document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
};
