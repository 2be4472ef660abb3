// Several tabs, one place, one connection: the tab that is looked at leads, and tells the others.

type Tell = (news: unknown) => void;

/** Lead whenever this tab is the one to do so. `lead` starts and returns how to stop. */
export function share(campaign: string, lead: () => () => void, hear: Tell, shown: (other: boolean) => void): Tell {
  const name = `onrush:${campaign}`;
  if (!("locks" in navigator) || !("BroadcastChannel" in window)) {
    lead();
    return () => {};
  }
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }) => {
    if (data === "hello") channel.postMessage("here");
    shown(true);
    if (typeof data === "object") hear(data);
  };
  channel.postMessage("hello");
  let leads = false;
  const hold = (steal: boolean): void => {
    navigator.locks
      .request(name, { steal }, () => {
        leads = true;
        const stop = lead();
        return new Promise<void>((_, over) => {
          stops = () => {
            stop();
            over(new DOMException("", "AbortError"));
          };
        });
      })
      .catch(() => {
        // Another tab is looked at and took over; wait until it is closed.
        stops();
        leads = false;
        hold(false);
      });
  };
  let stops = (): void => {};
  const take = (): void => {
    if (!document.hidden && !leads) hold(true);
  };
  document.addEventListener("visibilitychange", take);
  if (document.hidden) hold(false);
  else take();
  return (news) => channel.postMessage(news);
}
