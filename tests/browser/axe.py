"""What axe-core has to say about a page."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page

_AXE = Path(__file__).parents[2] / "static/node_modules/axe-core/axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def problems(page: Page) -> list[str]:
    """What axe finds on the page as it is now: rule, place and reason."""
    await finish_animations(page)
    await page.evaluate(_AXE.read_text())
    found = await page.evaluate(
        "(rules) => axe.run({ runOnly: rules }).then((result) => result.violations)", _RULES
    )
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


async def finish_animations(page: Page) -> None:
    """Colours are judged as they will be, not half way through an animation."""
    await page.evaluate(
        """() => {
          const trees = (root) => [root, ...[...root.querySelectorAll("*")]
            .flatMap((element) => (element.shadowRoot ? trees(element.shadowRoot) : []))];
          const running = trees(document).flatMap((root) => root.getAnimations());
          for (const animation of running) if (Number.isFinite(
            animation.effect.getComputedTiming().endTime)) animation.finish();
        }"""
    )
