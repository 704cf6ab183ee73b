"""The sign-in page: plain HTML with one form, since only a response of the server can set a cookie no script reads."""

from __future__ import annotations

from html import escape

from apps.clinician.words import t

_PROMISES = (
    ("Two estimates, side by side", "Yours is asked before the machine’s is shown."),
    ("Reasons on both sides", "With the value, its unit, its age, and what is missing."),
    ("A record that cannot change quietly", "Every decision leaves a receipt anyone can check."),
)


def sign_in_page(*, environment: str, synthetic: bool, next_: str, problem: str = "", stopped: str = "") -> str:
    """The page as HTML.

    Parameters
    ----------
    environment : str
        Name of the hospital and system.
    synthetic : bool
    next_ : str
        Where to go afterwards, a path of this app.
    problem : str
        Why the last try failed.
    stopped : str
        Why nothing can be recorded at all.
    """
    badge = f'<span class="badge">△ {escape(t("Synthetic data"))}</span>' if synthetic else ""
    named = environment or (t("Demo hospital") if synthetic else t("This hospital"))
    fine = t("Signed out after 15 minutes without activity, and after 12 hours in any case. Unsigned work is kept.")
    limits = t("For qualified clinicians. Not for triage, treatment limits, DNR, bed or cost decisions.")
    promises = "".join(f"<li><b>{escape(t(a))}</b><span>{escape(t(b))}</span></li>" for a, b in _PROMISES)
    alert = f'<p class="alert" role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    if stopped:
        text = t("Nothing can be recorded or signed here now: {why}. Use the paper form and call your safety officer.")
        alert = f'<p class="alert" role="alert" id="problem">✕ {escape(text.format(why=stopped))}</p>' + alert
    described = ' aria-describedby="problem"' if alert else ""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(t("Sign in"))} · cdss</title><link rel="stylesheet" href="/app/static/sign-in.css">
<link rel="icon" href="/app/static/icon.png"></head>
<body><main><section class="promise" aria-label="{escape(t("What cdss is"))}">
<p class="brand"><img src="/app/static/mark.svg" alt="" width="26" height="26">cdss</p>
<h2>{escape(t("Your judgement first. Then the machine’s, with its reasons."))}</h2><ul>{promises}</ul></section>
<section class="form"><h1>{escape(t("Sign in"))}</h1><p class="where">{escape(named)} {badge}</p>{alert}
<form method="post" action="/sign-in"><input type="hidden" name="next" value="{escape(next_)}">
<label for="login">{escape(t("User name"))}</label>
<input id="login" name="login" autocomplete="username" autocapitalize="none" spellcheck="false" required
autofocus{described}>
<label for="password">{escape(t("Password"))}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">{escape(t("Sign in"))}</button></form>
<p class="fine">{escape(fine)}</p>
</section></main><footer>{escape(limits)}
</footer></body></html>"""
