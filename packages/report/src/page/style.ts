/** Style sheet of report.html, beside that of the charts whose tokens it uses. */
export const PAGE_CSS = `
*{box-sizing:border-box}
html{scroll-padding-top:4rem}
body{margin:0;background:var(--eq-ground);color:var(--eq-ink);font:15px/1.5 system-ui,sans-serif}
header{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;padding:.5rem 1rem;background:var(--eq-ground);border-bottom:1px solid var(--eq-grid)}
h1{font-size:1.15rem;margin:0;margin-right:auto}
nav{display:flex;flex-wrap:wrap;gap:.25rem .75rem;padding:.5rem 1rem}
a{color:var(--eq-link)}
main{max-width:1240px;margin:0 auto;padding:0 1rem 4rem}
section{margin:2rem 0}
h2{font-size:1.25rem;border-bottom:1px solid var(--eq-grid);padding-bottom:.25rem}
h3{font-size:1rem;margin:0}
.unit{font-weight:400;color:var(--eq-muted)}
button,input,select{font:inherit;color:inherit;background:var(--eq-ground);border:1px solid var(--eq-muted);border-radius:5px;padding:.15rem .6rem;min-height:28px}
button{cursor:pointer}
button[aria-pressed=true],button[aria-current=true]{background:var(--eq-seq-5);color:var(--eq-on-seq-5)}
:focus-visible{outline:2px solid var(--eq-select);outline-offset:2px}
.verdict{font-size:1.1rem;border-left:5px solid var(--eq-muted);padding:.4rem .8rem;background:var(--eq-tint)}
.verdict.good{border-color:var(--eq-cat-2)}.verdict.loss{border-color:var(--eq-cat-1)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:.75rem;margin:1rem 0}
.figures div{border:1px solid var(--eq-grid);border-radius:6px;padding:.5rem .75rem}
.figures dt{color:var(--eq-muted)}.figures dd{margin:0}.figures strong{display:block;font-size:1.1rem}.figures span{color:var(--eq-muted);font-size:.85rem}
.list li{margin:.5rem 0}.list .error strong::before{content:"Error: "}.list .warning strong::before{content:"Warning: "}
.scroll{overflow:auto;max-height:75vh}
table{border-collapse:collapse;font-size:.88rem}
caption{text-align:left;color:var(--eq-muted);padding:.25rem 0}
th,td{padding:.2rem .5rem;border-bottom:1px solid var(--eq-grid);text-align:right;white-space:nowrap}
th:first-child,#summary th:last-child,#summary td:last-child{text-align:left}
#summary td:last-child{white-space:normal}
#about td,#about th:last-child{text-align:left}#about td{white-space:normal;word-break:break-all}
thead th{position:sticky;top:0;background:var(--eq-ground)}
.sort{border:0;padding:0;font-weight:600;min-height:24px}
.layer-table .pick{border:0;padding:0 .2rem;text-align:left}
tr.eq-hover>*{background:var(--eq-tint)}tr.eq-selected>*{background:var(--eq-tint);box-shadow:inset 0 2px var(--eq-select),inset 0 -2px var(--eq-select)}tr[data-layer]{cursor:pointer}
.choice{display:flex;flex-wrap:wrap;gap:.3rem;align-items:center;margin:.3rem 0}
.chart{margin:1.5rem 0;padding:0}
figcaption p{margin:.15rem 0 .4rem;max-width:75ch}
.plot{width:100%}.plot.scroll{max-height:70vh;border:1px solid var(--eq-grid)}.plot.scroll svg{max-width:none;display:block;margin:0 auto}
.tools{display:flex;gap:.4rem;margin:.3rem 0}.tools button{font-size:.8rem}
#inspector{border:1px solid var(--eq-grid);border-radius:6px;padding:0 1rem;margin-top:1rem}
.row-detail:not(:empty){border-left:3px solid var(--eq-select);padding-left:1rem}.steps li{max-width:75ch;margin:.2rem 0}select{max-width:100%}
.layer-name{margin:1rem 0 0;color:var(--eq-select)}
details{margin:1rem 0}summary{cursor:pointer}
kbd{border:1px solid var(--eq-muted);border-radius:3px;padding:0 .3rem}
.hide{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.skip:focus{position:static;width:auto;height:auto;clip-path:none}
:root{--eq-link:#0b57a4;--eq-tint:#f3f5f7}
@media (prefers-color-scheme:dark){:root{--eq-link:#7ab8ff;--eq-tint:#1d2126}}
:root[data-theme=light]{--eq-link:#0b57a4;--eq-tint:#f3f5f7}
:root[data-theme=dark]{--eq-link:#7ab8ff;--eq-tint:#1d2126}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
@media (min-width:1180px){.chart:not(.wide){display:grid;grid-template:auto auto auto 1fr/minmax(0,720px) minmax(0,1fr);column-gap:1.5rem;align-items:start}
.chart:not(.wide)>*{grid-column:2}.chart:not(.wide)>.plot{grid-column:1;grid-row:1/span 4}.chart:not(.wide)>.data,.chart:not(.wide)>.row-detail{grid-column:1/-1}.chart:not(.wide) h3 .unit{display:block}}
@media (max-width:700px){main,header,nav{padding-left:.75rem;padding-right:.75rem}.plot:not(.scroll){overflow-x:auto;aspect-ratio:auto!important}.plot:not(.scroll)>svg{width:620px;max-width:none}.list{padding-left:1.2rem}code,h1,h3,.layer-name,.list strong,figcaption p{overflow-wrap:anywhere}label{max-width:100%}input[type=search]{max-width:60vw}}
@media print{header,nav,.tools,.choice,.skip,.row-detail,#inspector,#keys,.list button{display:none}body{font-size:11pt}main{max-width:none;padding:0}section{margin:1rem 0}h2{break-after:avoid}.chart{display:block!important;break-inside:avoid}.scroll,.plot,.plot.scroll{max-height:none;overflow:visible;border:0}.plot>svg,.plot.scroll>svg{width:auto;max-width:100%!important;height:auto}td,th{white-space:normal;padding:.1rem .3rem;font-size:8.5pt;overflow-wrap:anywhere}thead th{position:static}}
`;
