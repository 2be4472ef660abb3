// What the console says, in two languages.
import { signal } from "@preact/signals";

const EN = {
  title: "Onrush console", signIn: "Sign in", key: "API key with the scope admin", keyWrong: "This key is not accepted.", signOut: "Sign out",
  campaign: "Campaign", none: "There is no campaign yet.", other: "中文", stale: "No answer from the server; the figures are old.",
  scheduled: "scheduled", preheat: "joining", draw: "draw", open: "open", paused: "paused", closed: "closed", settled: "settled",
  opens: "opens", closes: "closes", rates: "People and units a second", joins: "joining", holds: "holds", sales: "sales", latency: "Reserve, milliseconds",
  p50: "half within", p99: "99 of 100 within", stock: "Stock", sku: "SKU", free: "free", held: "held", sold: "sold", supplied: "supplied", waiting: "waiting",
  line: "The line", joined: "joined", serving: "called up", outstanding: "passes out", perMinute: "called up a minute", listeners: "listening", noLine: "This campaign has no line.",
  funnel: "From joining to paying", used: "passes used", machine: "Machine", connections: "open connections", sync: "journal sync, mean ms", lsn: "durable record", healthy: "journal",
  good: "good", failed: "failed", inFlight: "reserves under way", vetoes: "vetoes", refunds: "refunds due", stores: "Stores", noStores: "There are no stores.", storesMap: "stores as dots; north is up",
  controls: "Controls", reason: "Reason (kept for the audit)", pause: "Pause", resume: "Resume", end: "End for good", confirmEnd: "Type the campaign's name to end it for good",
  supply: "Add units (negative withdraws)", units: "Units", apply: "Apply", outflow: "People called up a second (0: as the stock allows)", finish: "At this pace everybody in line is called up in about",
  minutes: "min", message: "Message to everybody", say: "Say it", takeBack: "Take it back", done: "Done.", search: "Find a reservation", id: "Reservation number", find: "Find",
  state: "state", expires: "held until", price: "price", payments: "payments", notFound: "There is no such reservation.", cancel: "Cancel this sale",
};
const ZH: typeof EN = {
  title: "Onrush 控制台", signIn: "登录", key: "具有 admin 权限的 API 密钥", keyWrong: "此密钥不被接受。", signOut: "退出",
  campaign: "活动", none: "还没有活动。", other: "English", stale: "服务器没有回应，以下数据已过时。",
  scheduled: "已安排", preheat: "加入中", draw: "抽签", open: "进行中", paused: "已暂停", closed: "已结束", settled: "已结算",
  opens: "开始", closes: "结束", rates: "每秒人数与件数", joins: "加入", holds: "预留", sales: "售出", latency: "预留耗时（毫秒）",
  p50: "一半不超过", p99: "99% 不超过", stock: "库存", sku: "SKU", free: "可售", held: "保留", sold: "售出", supplied: "供应", waiting: "候补",
  line: "队列", joined: "已加入", serving: "已叫号", outstanding: "未用通行证", perMinute: "每分钟叫号", listeners: "在线监听", noLine: "此活动没有队列。",
  funnel: "从加入到付款", used: "已用通行证", machine: "机器", connections: "连接数", sync: "日志同步均值（毫秒）", lsn: "已落盘记录", healthy: "日志",
  good: "正常", failed: "故障", inFlight: "进行中的预留", vetoes: "否决", refunds: "待退款", stores: "门店", noStores: "没有门店。", storesMap: "家门店以圆点表示，上方为北",
  controls: "操作", reason: "原因（会被审计记录）", pause: "暂停", resume: "恢复", end: "永久结束", confirmEnd: "输入活动名称以永久结束",
  supply: "增加件数（负数为撤回）", units: "件数", apply: "执行", outflow: "每秒叫号人数（0：按库存）", finish: "按此速度，队列中所有人大约叫完需",
  minutes: "分钟", message: "给所有人的消息", say: "发布", takeBack: "撤回", done: "已完成。", search: "查找预留", id: "预留编号", find: "查找",
  state: "状态", expires: "保留至", price: "价格", payments: "付款", notFound: "没有这个预留。", cancel: "取消此销售",
};

export const lang = signal<"en" | "zh">(navigator.language.startsWith("zh") ? "zh" : "en");
export const t = (key: keyof typeof EN): string => (lang.value === "zh" ? ZH : EN)[key];
export const phaseWord = (phase: string): string => t(phase as keyof typeof EN) ?? phase;
export const turnLang = (): void => {
  lang.value = lang.value === "zh" ? "en" : "zh";
  document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
};
