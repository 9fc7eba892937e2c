/** The icon that clients show beside the server: three ways out of one point, drawn here so that no client fetches it. */

const svg =
  "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' fill='#0b3d91'/><path d='M7 16h6m0 0 8-8m-8 8h12m-12 0 8 8' fill='none' stroke='#fff' stroke-width='2.4' stroke-linecap='round'/><circle cx='7' cy='16' r='2.6' fill='#fff'/></svg>"

export const icons = [
  { src: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`, mimeType: 'image/svg+xml', sizes: ['any'] },
]
