import com.nimbusds.oauth2.sdk.*;
import com.nimbusds.oauth2.sdk.auth.*;
import com.nimbusds.oauth2.sdk.id.*;
import com.nimbusds.oauth2.sdk.pkce.*;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.openid.connect.sdk.*;
import com.nimbusds.openid.connect.sdk.claims.*;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.io.*;
import java.net.URI;

/** A client on the library that the products use (Nimbus OAuth 2.0 SDK); see `client.mjs` for its sisters' lines. */
public class NimbusClient {
    public static void main(String[] given) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        String issuer = given[0];
        boolean pkce = Boolean.parseBoolean(given[4]);
        ClientID name = new ClientID(given[1]);
        Secret secret = new Secret(given[2]);
        URI back = URI.create(given[3]);
        try {
            OIDCProviderMetadata provider = OIDCProviderMetadata.resolve(new Issuer(issuer));
            State state = new State();
            Nonce nonce = new Nonce();
            CodeVerifier verifier = pkce ? new CodeVerifier() : null;
            AuthenticationRequest.Builder asked = new AuthenticationRequest.Builder(
                new ResponseType("code"), new Scope("openid"), name, back)
                .endpointURI(provider.getAuthorizationEndpointURI()).state(state).nonce(nonce);
            if (pkce) asked.codeChallenge(verifier, CodeChallengeMethod.S256);
            System.out.println(asked.build().toURI());
            AuthenticationResponse came = AuthenticationResponseParser.parse(URI.create(in.readLine()));
            if (!came.toSuccessResponse().getState().equals(state)) throw new IOException("another state");
            AuthorizationCode code = came.toSuccessResponse().getAuthorizationCode();
            TokenRequest request = new TokenRequest.Builder(provider.getTokenEndpointURI(),
                new ClientSecretBasic(name, secret), new AuthorizationCodeGrant(code, back, verifier)).build();
            TokenResponse answer = OIDCTokenResponseParser.parse(request.toHTTPRequest().send());
            if (!answer.indicatesSuccess()) throw new IOException(answer.toErrorResponse().getErrorObject().toString());
            OIDCTokenResponse tokens = (OIDCTokenResponse) answer.toSuccessResponse();
            IDTokenClaimsSet claims = new IDTokenValidator(provider.getIssuer(), name, JWSAlgorithm.RS256,
                provider.getJWKSetURI().toURL()).validate(tokens.getOIDCTokens().getIDToken(), nonce);
            BearerAccessToken access = tokens.getOIDCTokens().getBearerAccessToken();
            UserInfoResponse info = UserInfoResponse.parse(
                new UserInfoRequest(provider.getUserInfoEndpointURI(), access).toHTTPRequest().send());
            String told = info.toSuccessResponse().getUserInfo().toJSONString();
            System.out.println("{\"claims\":" + claims.toJSONString() + ",\"userinfo\":" + told + "}");
        } catch (Exception error) {
            System.out.println("{\"error\":\"" + error.toString().replace("\"", "'").replace("\n", " ") + "\"}");
        }
    }
}
