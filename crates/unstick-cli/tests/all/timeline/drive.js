// Opens a timeline in Chromium, uses it as a person does, and prints what was seen as one JSON object.
//
//   node drive.js PAGE FOLDER      FOLDER gets screenshots at 1280 and 390 pixels
const { chromium } = require("playwright-core");

(async () => {
  const [page_path, folder] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const seen = { errors: [], requests: [], dialogs: 0 };
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url().slice(0, 200)));
  page.on("dialog", (dialog) => { seen.dialogs += 1; dialog.dismiss(); });
  const text = (selector) => page.locator(selector).textContent();
  const rows = () => page.locator(".row > span:last-child").allTextContents();
  const selected = async () => (await page.locator(".row[aria-selected=true] > span:first-child").allTextContents()).join();

  const begun = Date.now();
  await page.goto(`file://${page_path}`);
  await page.locator(".row").first().waitFor();
  seen.opened = Date.now() - begun;
  seen.title = await page.title();
  seen.summary = await text("#summary");
  seen.rows = await rows();
  seen.in_document = await page.locator(".row").count();
  seen.detail = await text("#detail");
  seen.bold = await page.locator("#list b, #list script, #detail > b").count();
  await page.screenshot({ path: `${folder}/1280.png` });

  // By keys alone.
  await page.locator("#list").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  seen.after_arrows = await selected();
  await page.keyboard.press("End");
  seen.after_end = await selected();
  await page.keyboard.press("/");
  await page.keyboard.type(process.env.SEARCH || "x");
  const filtering = Date.now();
  await page.waitForFunction(() => !document.getElementById("count").textContent.startsWith("0 of 0"));
  seen.filtered = await text("#count");
  seen.filter_took = Date.now() - filtering;
  await page.keyboard.press("Escape");
  seen.unfiltered = await text("#count");
  await page.locator("#direction").selectOption("1");
  seen.of_server = await text("#count");
  await page.locator("#direction").selectOption("");

  // The pointer over a message shows its bytes; the other axis draws something else.
  await page.keyboard.press("Home");
  const picture = () => page.evaluate(() => document.getElementById("lanes").toDataURL());
  const by_bytes = await picture();
  await page.locator("input[value=time]").check();
  seen.axes_differ = by_bytes !== (await picture());
  await page.locator("input[value=bytes]").check();
  const box = await page.locator("#lanes").boundingBox();
  // How much of each lane has the colour of the selection: the lanes of the server's segments and messages.
  const outlined = () => page.evaluate(() => {
    const canvas = document.getElementById("lanes");
    const ratio = window.devicePixelRatio || 1;
    const focus = getComputedStyle(document.documentElement).getPropertyValue("--focus").trim();
    const wanted = [1, 3, 5].map((at) => parseInt(focus.slice(at, at + 2), 16));
    return [[104, 20], [128, 26]].map(([top, height]) => {
      const { data } = canvas.getContext("2d").getImageData(0, top * ratio, canvas.width, height * ratio);
      let found = 0;
      for (let at = 0; at < data.length; at += 4) if (wanted.every((value, i) => Math.abs(data[at + i] - value) < 8)) found++;
      return found > 10;
    });
  });
  seen.outlined_before = await outlined();
  await page.mouse.move(box.x + box.width - 30, box.y + 142);
  seen.hovered = await text("#detail h2");
  seen.outlined = await outlined();
  await page.mouse.move(box.x + box.width - 30, box.y + box.height + 60);
  seen.outlined_after = await outlined();
  const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.locator("#theme").click();
  seen.themes_differ = light !== (await page.evaluate(() => getComputedStyle(document.body).backgroundColor));

  for (const width of [390, 320]) {
    await page.setViewportSize({ width, height: 800 });
    if (width === 390) await page.screenshot({ path: `${folder}/390.png`, fullPage: true });
    seen[`wide_at_${width}`] = await page.evaluate(() => document.documentElement.scrollWidth);
  }
  await browser.close();
  console.log(JSON.stringify(seen));
})();
