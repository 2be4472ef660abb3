// Links that let somebody in, once, with a role.
import { useState } from "preact/hooks";
import { ask } from "./api";
import { t } from "./words";

const ROLES = ["viewer", "operator", "owner"] as const;

export function People() {
  const [name, setName] = useState("");
  const [role, setRole] = useState<(typeof ROLES)[number]>("viewer");
  const [reason, setReason] = useState("");
  const [link, setLink] = useState("");
  const [said, say] = useState("");
  async function make(event: Event): Promise<void> {
    event.preventDefault();
    try {
      const made = await ask("POST", "/admin/v1/links", { name, role, reason });
      setLink(location.origin + made.path);
      say(t("linkHow"));
    } catch (error) {
      setLink("");
      say((error as Error).message);
    }
  }
  return (
    <section aria-labelledby="links">
      <h2 id="links">{t("links")}</h2>
      <form class="row" onSubmit={make}>
        <label>{t("newName")} <input id="person" value={name} required maxLength={64} pattern="[A-Za-z0-9._\-]+" onInput={(e) => setName(e.currentTarget.value)} /></label>
        <label>{t("role")} <select id="role" value={role} onChange={(e) => setRole(e.currentTarget.value as typeof role)}>{ROLES.map((one) => <option key={one} value={one}>{t(one)}</option>)}</select></label>
        <label>{t("reason")} <input id="link-reason" value={reason} required maxLength={200} onInput={(e) => setReason(e.currentTarget.value)} /></label>
        <button>{t("make")}</button>
      </form>
      <p role="status">{said}</p>
      {link && <p><code id="link">{link}</code></p>}
    </section>
  );
}
