/* Draws the OpenAPI description, in the theme of the page. */
"use strict";

(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  const follow = () => {
    const theme = root.dataset.theme;
    root.classList.toggle("dark-mode", theme === "dark" || (theme !== "light" && system.matches));
  };

  follow();
  system.addEventListener("change", follow);
  new MutationObserver(follow).observe(root, { attributes: true, attributeFilter: ["data-theme"] });

  window.addEventListener("load", () => {
    const place = document.getElementById("swagger-ui");
    if (!place || !window.SwaggerUIBundle) return;
    window.SwaggerUIBundle({
      url: place.dataset.schemaUrl,
      dom_id: "#swagger-ui",
      deepLinking: true,
      docExpansion: "list",
      defaultModelsExpandDepth: -1,
      filter: true,
      persistAuthorization: false,
      validatorUrl: null,
      syntaxHighlight: false,
      presets: [window.SwaggerUIBundle.presets.apis],
      layout: "BaseLayout",
    });
  });
})();
