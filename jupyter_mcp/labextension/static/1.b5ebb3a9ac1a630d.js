"use strict";(self.rspackChunkjupyter_mcp_rooms=self.rspackChunkjupyter_mcp_rooms||[]).push([[1],{20(o,e,r){var t=r(21),n=r.n(t),a=r(22),p=(r.n(a))()(n());p.push([o.id,`.jp-mcp-Panel {
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

.jp-mcp-Row .jp-mcp-Name {
  grid-column: 1 / -1;
  font-weight: 600;
}

.jp-mcp-Text {
  margin: 0;
  padding: 4px 6px;
  max-height: 8em;
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
`,""]),r.d(e,{},{A:p})},22(o){o.exports=function(o){var e=[];return e.toString=function(){return this.map(function(e){var r="",t=void 0!==e[5];return e[4]&&(r+="@supports (".concat(e[4],") {")),e[2]&&(r+="@media ".concat(e[2]," {")),t&&(r+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),r+=o(e),t&&(r+="}"),e[2]&&(r+="}"),e[4]&&(r+="}"),r}).join("")},e.i=function(o,r,t,n,a){"string"==typeof o&&(o=[[null,o,void 0]]);var p={};if(t)for(var i=0;i<this.length;i++){var c=this[i][0];null!=c&&(p[c]=!0)}for(var l=0;l<o.length;l++){var s=[].concat(o[l]);t&&p[s[0]]||(void 0!==a&&(void 0===s[5]||(s[1]="@layer".concat(s[5].length>0?" ".concat(s[5]):""," {").concat(s[1],"}")),s[5]=a),r&&(s[2]&&(s[1]="@media ".concat(s[2]," {").concat(s[1],"}")),s[2]=r),n&&(s[4]?(s[1]="@supports (".concat(s[4],") {").concat(s[1],"}"),s[4]=n):s[4]="".concat(n)),e.push(s))}},e}},21(o){o.exports=function(o){return o[1]}},14(o){var e=[];function r(o){for(var r=-1,t=0;t<e.length;t++)if(e[t].identifier===o){r=t;break}return r}function t(o,t){for(var n={},a=[],p=0;p<o.length;p++){var i=o[p],c=t.base?i[0]+t.base:i[0],l=n[c]||0,s="".concat(c," ").concat(l);n[c]=l+1;var u=r(s),d={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==u)e[u].references++,e[u].updater(d);else{var f=function(o,e){var r=e.domAPI(e);return r.update(o),function(e){e?(e.css!==o.css||e.media!==o.media||e.sourceMap!==o.sourceMap||e.supports!==o.supports||e.layer!==o.layer)&&r.update(o=e):r.remove()}}(d,t);t.byIndex=p,e.splice(p,0,{identifier:s,updater:f,references:1})}a.push(s)}return a}o.exports=function(o,n){var a=t(o=o||[],n=n||{});return function(o){o=o||[];for(var p=0;p<a.length;p++){var i=r(a[p]);e[i].references--}for(var c=t(o,n),l=0;l<a.length;l++){var s=r(a[l]);0===e[s].references&&(e[s].updater(),e.splice(s,1))}a=c}}},16(o){var e={};o.exports=function(o,r){var t=function(o){if(void 0===e[o]){var r=document.querySelector(o);if(window.HTMLIFrameElement&&r instanceof window.HTMLIFrameElement)try{r=r.contentDocument.head}catch(o){r=null}e[o]=r}return e[o]}(o);if(!t)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");t.appendChild(r)}},18(o){o.exports=function(o){var e=document.createElement("style");return o.setAttributes(e,o.attributes),o.insert(e,o.options),e}},17(o,e,r){o.exports=function(o){var e=r.nc;e&&o.setAttribute("nonce",e)}},15(o){o.exports=function(o){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=o.insertStyleElement(o);return{update:function(r){var t,n,a;t="",r.supports&&(t+="@supports (".concat(r.supports,") {")),r.media&&(t+="@media ".concat(r.media," {")),(n=void 0!==r.layer)&&(t+="@layer".concat(r.layer.length>0?" ".concat(r.layer):""," {")),t+=r.css,n&&(t+="}"),r.media&&(t+="}"),r.supports&&(t+="}"),(a=r.sourceMap)&&"u">typeof btoa&&(t+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),o.styleTagTransform(t,e,o.options)},remove:function(){var o;null===(o=e).parentNode||o.parentNode.removeChild(o)}}}},19(o){o.exports=function(o,e){if(e.styleSheet)e.styleSheet.cssText=o;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(o))}}},13(o,e,r){var t=r(14),n=r.n(t),a=r(15),p=r.n(a),i=r(16),c=r.n(i),l=r(17),s=r.n(l),u=r(18),d=r.n(u),f=r(19),m=r.n(f),v=r(20),j={};j.styleTagTransform=m(),j.setAttributes=s(),j.insert=c().bind(null,"head"),j.domAPI=p(),j.insertStyleElement=d(),n()(v.A,j),v.A&&v.A.locals&&v.A.locals}}]);