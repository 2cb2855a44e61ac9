"use strict";(self.rspackChunkjupyter_mcp_rooms=self.rspackChunkjupyter_mcp_rooms||[]).push([[1],{20(o,r,e){var p=e(21),t=e.n(p),a=e(22),n=(e.n(a))()(t());n.push([o.id,`.jp-mcp-Panel {
  display: flex;
  flex-direction: column;
  overflow: auto;
  padding: 8px;
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-size: var(--jp-ui-font-size1);
}

.jp-mcp-Status {
  padding: 4px 0 8px;
  font-weight: 600;
}

.jp-mcp-Heading {
  margin: 12px 0 4px;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
}

.jp-mcp-Controls {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 4px;
  padding: 3px 0;
}

.jp-mcp-Controls .jp-mcp-Name {
  flex: 1 1 100%;
  overflow: hidden;
  text-overflow: ellipsis;
  color: var(--jp-ui-font-color1);
}

.jp-mcp-Controls .jp-mcp-Button.jp-mod-styled {
  padding: 0 6px;
  font-size: var(--jp-ui-font-size0);
}

.jp-mcp-Button.jp-mod-styled {
  height: 24px;
  line-height: 22px;
  padding: 0 8px;
  letter-spacing: normal;
  border: 1px solid var(--jp-border-color1);
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color2);
}

.jp-mcp-Button:hover {
  background: var(--jp-layout-color3);
}

.jp-mcp-Button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

.jp-mcp-Button[aria-pressed='true'] {
  color: var(--jp-ui-inverse-font-color1);
  background: var(--jp-brand-color1);
}

.jp-mcp-List {
  margin: 0;
  padding: 0;
  list-style: none;
}

.jp-mcp-Rule,
.jp-mcp-Call {
  padding: 3px 0;
  border-bottom: 1px solid var(--jp-border-color2);
  overflow-wrap: anywhere;
}

.jp-mcp-Time,
.jp-mcp-None,
.jp-mcp-Note {
  color: var(--jp-ui-font-color2);
}

.jp-mcp-Time {
  margin-right: 6px;
}

.jp-mcp-Button.jp-mcp-Link {
  display: block;
  height: auto;
  padding: 0;
  line-height: 1.4;
  white-space: normal;
  overflow-wrap: anywhere;
  border: 0;
  background: none;
  color: var(--jp-content-link-color);
  text-align: left;
}

.jp-mcp-Actions {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 4px;
  padding: 3px 0;
}

.jp-mcp-Button[aria-expanded='true'] {
  background: var(--jp-layout-color3);
}

.jp-mcp-Question {
  margin: 0 0 8px;
  padding: 8px;
  border: 1px solid var(--jp-brand-color1);
  border-left-width: 4px;
  background: var(--jp-layout-color2);
  overflow-wrap: anywhere;
}

.jp-mcp-Change {
  padding: 2px 0;
}

.jp-mcp-Diff {
  margin: 2px 0;
  padding: 4px 0;
  max-height: 20em;
  overflow: auto;
  color: var(--jp-content-font-color1);
  background: var(--jp-layout-color0);
  border: 1px solid var(--jp-border-color2);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
}

.jp-mcp-Line {
  display: block;
  min-width: max-content;
  padding: 0 6px;
  border-left: 3px solid transparent;
}

.jp-mcp-Line.jp-mod-added {
  background: color-mix(in srgb, var(--jp-success-color1) 18%, transparent);
  border-left-color: var(--jp-success-color1);
}

.jp-mcp-Line.jp-mod-removed {
  background: color-mix(in srgb, var(--jp-error-color1) 18%, transparent);
  border-left-color: var(--jp-error-color1);
}

.jp-mcp-Warning {
  color: var(--jp-error-color1);
}

.jp-mcp-Button.jp-mcp-StatusItem {
  height: 100%;
  padding: 0 6px;
  border: 0;
  background: none;
  font-size: var(--jp-ui-font-size1);
}

.jp-mcp-StatusItem:hover {
  background: var(--jp-layout-color3);
}

.jp-Cell > .jp-mcp-Mark {
  position: absolute;
  top: 6px;
  bottom: 6px;
  left: 12px;
  width: 4px;
  border-radius: 2px;
  background: var(--jp-warn-color1);
}

.jp-mcp-Connect {
  min-width: 420px;
  max-width: 640px;
}

.jp-mcp-Row {
  display: grid;
  grid-template-columns: 1fr auto;
  gap: 4px 8px;
  padding: 4px 0;
}

.jp-mcp-Row .jp-mcp-Client {
  grid-column: 1 / -1;
  appearance: auto; /* with its arrow */
  font-size: var(--jp-ui-font-size1);
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
}

.jp-mcp-Row .jp-mcp-Name {
  grid-column: 1 / -1;
  font-weight: 600;
}

.jp-mcp-Text {
  margin: 0;
  padding: 4px 6px;
  max-height: 16em;
  overflow: auto;
  color: var(--jp-content-font-color1);
  background: var(--jp-layout-color2);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}

.jp-Cell > .jp-mcp-Badge {
  position: absolute;
  z-index: 1;
  top: 22px;
  left: 20px;
  padding: 0 4px;
  border: 1px solid var(--jp-warn-color1);
  border-radius: 3px;
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size0);
  line-height: 13px;
  white-space: nowrap;
}

.jp-Cell > .jp-mcp-Badge.jp-mod-waits {
  border-style: dashed;
  border-color: var(--jp-border-color0);
}

.jp-mcp-Reason {
  flex: 1 1 12em;
  min-width: 8em;
  max-width: 30em;
  height: 24px;
  padding: 0 6px;
  border: 1px solid var(--jp-border-color1);
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
}

.jp-mcp-Reason::placeholder {
  color: var(--jp-ui-font-color2);
}

.jp-mcp-Reason:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
}

/* Cells are filled when they come in sight, and what is filled in late must not be below the block. */
.jp-Cell.jp-mod-mcpGhosts {
  display: flex;
  flex-direction: column;
}

.jp-Cell.jp-mod-mcpGhosts > .jp-Cell-inputWrapper,
.jp-Cell.jp-mod-mcpGhosts > .jp-Cell-outputWrapper {
  flex: 0 0 auto;
  min-width: 0;
}

.jp-Cell > .jp-mcp-Ghost {
  order: 1;
  margin: 4px 0 8px var(--jp-cell-prompt-width);
  padding: 6px 8px;
  border: 1px dashed var(--jp-brand-color1);
  border-left: 4px solid var(--jp-brand-color1);
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  overflow-wrap: anywhere;
}

.jp-Cell > .jp-mcp-Ghost.jp-mod-above {
  order: -1;
}

.jp-Cell > .jp-mcp-Ghost.jp-mod-delete {
  border-color: var(--jp-error-color1);
}

.jp-Cell > .jp-mcp-Ghost.jp-mod-insert {
  border-color: var(--jp-success-color1);
}
`,""]),e.d(r,{},{A:n})},22(o){o.exports=function(o){var r=[];return r.toString=function(){return this.map(function(r){var e="",p=void 0!==r[5];return r[4]&&(e+="@supports (".concat(r[4],") {")),r[2]&&(e+="@media ".concat(r[2]," {")),p&&(e+="@layer".concat(r[5].length>0?" ".concat(r[5]):""," {")),e+=o(r),p&&(e+="}"),r[2]&&(e+="}"),r[4]&&(e+="}"),e}).join("")},r.i=function(o,e,p,t,a){"string"==typeof o&&(o=[[null,o,void 0]]);var n={};if(p)for(var i=0;i<this.length;i++){var c=this[i][0];null!=c&&(n[c]=!0)}for(var l=0;l<o.length;l++){var d=[].concat(o[l]);p&&n[d[0]]||(void 0!==a&&(void 0===d[5]||(d[1]="@layer".concat(d[5].length>0?" ".concat(d[5]):""," {").concat(d[1],"}")),d[5]=a),e&&(d[2]&&(d[1]="@media ".concat(d[2]," {").concat(d[1],"}")),d[2]=e),t&&(d[4]?(d[1]="@supports (".concat(d[4],") {").concat(d[1],"}"),d[4]=t):d[4]="".concat(t)),r.push(d))}},r}},21(o){o.exports=function(o){return o[1]}},14(o){var r=[];function e(o){for(var e=-1,p=0;p<r.length;p++)if(r[p].identifier===o){e=p;break}return e}function p(o,p){for(var t={},a=[],n=0;n<o.length;n++){var i=o[n],c=p.base?i[0]+p.base:i[0],l=t[c]||0,d="".concat(c," ").concat(l);t[c]=l+1;var s=e(d),u={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==s)r[s].references++,r[s].updater(u);else{var m=function(o,r){var e=r.domAPI(r);return e.update(o),function(r){r?(r.css!==o.css||r.media!==o.media||r.sourceMap!==o.sourceMap||r.supports!==o.supports||r.layer!==o.layer)&&e.update(o=r):e.remove()}}(u,p);p.byIndex=n,r.splice(n,0,{identifier:d,updater:m,references:1})}a.push(d)}return a}o.exports=function(o,t){var a=p(o=o||[],t=t||{});return function(o){o=o||[];for(var n=0;n<a.length;n++){var i=e(a[n]);r[i].references--}for(var c=p(o,t),l=0;l<a.length;l++){var d=e(a[l]);0===r[d].references&&(r[d].updater(),r.splice(d,1))}a=c}}},16(o){var r={};o.exports=function(o,e){var p=function(o){if(void 0===r[o]){var e=document.querySelector(o);if(window.HTMLIFrameElement&&e instanceof window.HTMLIFrameElement)try{e=e.contentDocument.head}catch(o){e=null}r[o]=e}return r[o]}(o);if(!p)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");p.appendChild(e)}},18(o){o.exports=function(o){var r=document.createElement("style");return o.setAttributes(r,o.attributes),o.insert(r,o.options),r}},17(o,r,e){o.exports=function(o){var r=e.nc;r&&o.setAttribute("nonce",r)}},15(o){o.exports=function(o){if("u"<typeof document)return{update:function(){},remove:function(){}};var r=o.insertStyleElement(o);return{update:function(e){var p,t,a;p="",e.supports&&(p+="@supports (".concat(e.supports,") {")),e.media&&(p+="@media ".concat(e.media," {")),(t=void 0!==e.layer)&&(p+="@layer".concat(e.layer.length>0?" ".concat(e.layer):""," {")),p+=e.css,t&&(p+="}"),e.media&&(p+="}"),e.supports&&(p+="}"),(a=e.sourceMap)&&"u">typeof btoa&&(p+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),o.styleTagTransform(p,r,o.options)},remove:function(){var o;null===(o=r).parentNode||o.parentNode.removeChild(o)}}}},19(o){o.exports=function(o,r){if(r.styleSheet)r.styleSheet.cssText=o;else{for(;r.firstChild;)r.removeChild(r.firstChild);r.appendChild(document.createTextNode(o))}}},13(o,r,e){var p=e(14),t=e.n(p),a=e(15),n=e.n(a),i=e(16),c=e.n(i),l=e(17),d=e.n(l),s=e(18),u=e.n(s),m=e(19),f=e.n(m),j=e(20),v={};v.styleTagTransform=f(),v.setAttributes=d(),v.insert=c().bind(null,"head"),v.domAPI=n(),v.insertStyleElement=u(),t()(j.A,v),j.A&&j.A.locals&&j.A.locals}}]);