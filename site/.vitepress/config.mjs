import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';

const pages = JSON.parse(readFileSync(new URL('../pages/pages.json', import.meta.url), 'utf8'));

export default defineConfig({
  srcDir: 'pages',
  title: 'lotrc',
  description: 'The adapter compiler for ONNX',
  lang: 'en',
  cleanUrls: false,
  lastUpdated: false,
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Quick start', link: '/quick-start' },
      // no page of VitePress: the browser loads it
      { text: 'Playground', link: '/playground/index.html', target: '_self' },
      { text: 'Guides', link: pages.guides[0].link },
      { text: 'Reference', link: pages.reference[0].link },
    ],
    sidebar: [
      { text: 'Start', items: pages.start },
      { text: 'Tutorials', items: pages.tutorials },
      { text: 'Guides', items: pages.guides },
      { text: 'Reference', items: pages.reference },
      { text: 'Add to lotrc', items: pages.contributing, collapsed: true },
    ],
    socialLinks: [{ icon: 'github', link: pages.repository }],
    outline: [2, 3],
  },
});
