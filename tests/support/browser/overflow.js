// What is drawn beyond the window, and texts that are cut; a list of sentences. What scrolls within itself is meant to.
(() => {
    const width = document.documentElement.clientWidth;
    const found = [];
    if (document.documentElement.scrollWidth > width) {
        found.push(`the page has ${document.documentElement.scrollWidth} of ${width}`);
    }
    for (const element of document.querySelectorAll("body *")) {
        if (element.closest(".scroll") || element.closest("svg")?.classList.contains("defs")) continue;
        const box = element.getBoundingClientRect();
        if (box.width > 0 && (box.right > width + 0.5 || box.left < -0.5)) {
            const name = `${element.tagName}.${element.getAttribute("class") ?? ""}`;
            found.push(`${name} ${box.left} to ${box.right} of ${width}`);
        }
    }
    for (const row of document.querySelectorAll("summary, .axis, .svc")) {
        for (const child of row.children) {
            if (child.clientWidth > 0 && child.scrollWidth > child.clientWidth + 1) {
                found.push(`cut: ${child.textContent.slice(0, 40)}`);
            }
        }
    }
    return found.slice(0, 10);
})()
