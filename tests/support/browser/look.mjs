// Looks at pages in a real browser: node look.mjs TOOLS BROWSER OUT FILE...
//
// Of each file: screenshots at three widths, light and dark, and a print to PDF, in OUT. On stdout one JSON document: what was
// asked of the network, what the console said, what is wider than the window, what axe-core finds.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [tools, executablePath, out, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(resolve(tools, "package.json")));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(out, { recursive: true });

const WIDTHS = [390, 820, 1440];
// The largest pages are looked at from the top only.
const MOST_SHOWN = 6000;

// What is drawn beyond the window; what scrolls within itself is meant to.
const overflowing = () => {
    const width = document.documentElement.clientWidth;
    const found = [];
    if (document.documentElement.scrollWidth > width) {
        found.push(`the page has ${document.documentElement.scrollWidth} of ${width}`);
    }
    for (const element of document.querySelectorAll("body *")) {
        if (element.closest(".scroll") || element.closest("svg")?.classList.contains("defs")) continue;
        const box = element.getBoundingClientRect();
        const isMark = element instanceof SVGElement && !(element instanceof SVGSVGElement);
        // A mark at the very edge may reach a few points over its bar, within the page's own margin.
        if (box.width > 0 && (box.right > width + 0.5 || box.left < -0.5) && found.length < 10) {
            found.push(`${element.tagName}.${element.getAttribute("class") ?? ""} ${isMark ? "mark " : ""}${box.left} to ${box.right} of ${width}`);
        }
    }
    // Texts that are cut or run into their neighbours.
    for (const row of document.querySelectorAll("summary, .axis, .svc")) {
        const parts = [...row.children].filter((child) => child.getBoundingClientRect().width > 0 && child.textContent !== "");
        for (const child of parts) {
            if (child.scrollWidth > child.clientWidth + 1 && child.clientWidth > 0 && found.length < 10) {
                found.push(`cut: ${child.textContent.slice(0, 40)}`);
            }
        }
    }
    return found;
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const told = {};
for (const file of files) {
    const name = basename(file).replace(".", "-");
    const url = pathToFileURL(resolve(file)).href;
    const result = (told[basename(file)] = { requests: [], console: [], overflow: {}, axe: [], bars: 0, pdf: 0, painted: {} });
    for (const colorScheme of ["light", "dark"]) {
        const context = await browser.newContext({ colorScheme, reducedMotion: "reduce" });
        const page = await context.newPage();
        // A machine under load takes its time.
        page.setDefaultTimeout(240_000);
        page.on("request", (request) => request.url().split("#")[0] === url || result.requests.push(request.url()));
        page.on("console", (message) => result.console.push(message.text()));
        page.on("pageerror", (error) => result.console.push(String(error)));
        for (const width of WIDTHS) {
            await page.setViewportSize({ width, height: 900 });
            await page.goto(url);
            if (file.endsWith(".html")) {
                const closed = await page.evaluate(overflowing);
                // The first three that can be opened, and all of a small page.
                await page.evaluate(() => {
                    const all = [...document.querySelectorAll("details")];
                    (all.length <= 30 ? all : all.slice(0, 3)).forEach((details) => (details.open = true));
                });
                const open = await page.evaluate(overflowing);
                result.overflow[`${colorScheme} ${width}`] = [...closed, ...open];
                if ((colorScheme === "light") === (width > 400)) {
                    await shoot(page, width, `${out}/${name}-${colorScheme}-${width}-open.png`);
                }
                // axe looks through a window that the page's policy does not hold back.
                if (width !== 820) {
                    await page.evaluate(axe);
                    const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
                    result.axe.push(...found.violations.map((one) => `${colorScheme} ${width} ${one.id}: ${one.nodes.length} × ${one.nodes[0]?.html.slice(0, 160)}: ${one.nodes[0]?.failureSummary.slice(0, 300)}`));
                }
                await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = false)));
            }
            await shoot(page, width, `${out}/${name}-${colorScheme}-${width}.png`);
            result.painted[colorScheme] = await page.evaluate(() => {
                const bar = document.querySelector("rect.b");
                return [getComputedStyle(document.documentElement).getPropertyValue("--paper"), bar && getComputedStyle(bar).fill];
            });
        }
        result.bars = await page.evaluate(() => document.querySelectorAll("rect.b").length);
        if (colorScheme === "light" && file.endsWith(".html")) {
            const pdf = await page.pdf({ path: `${out}/${name}.pdf`, preferCSSPageSize: true });
            result.pdf = pdf.length;
        }
        await context.close();
    }
}
await browser.close();
console.log(JSON.stringify(told, null, 1));

// Not `fullPage`, which waits for ever in some builds of the browser: the window is made as high as the page.
async function shoot(page, width, path) {
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width, height: Math.max(100, Math.min(height, MOST_SHOWN)) });
    await page.screenshot({ path });
    await page.setViewportSize({ width, height: 900 });
}
